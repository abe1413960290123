#define _GNU_SOURCE

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/vfs.h>
#else
#include <sys/mount.h>
#include <sys/param.h>
#endif

#include "FlattenSystem.h"

enum { SECONDS_A_DAY = 86400 };

// Whether other machines write to the file system; a yes where the system does not tell.
static bool is_shared_between_machines(int descriptor) {
  struct statfs system;
  if (fstatfs(descriptor, &system) != 0) return true;
#if defined(__linux__)
  switch ((unsigned)system.f_type) {
    case 0xEF53:      // ext2, ext3, ext4
    case 0x58465342:  // XFS
    case 0x9123683E:  // Btrfs
    case 0x2FC12FC1:  // ZFS
    case 0xF2F52010:  // F2FS
    case 0xCA451A4E:  // bcachefs
    case 0x01021994:  // tmpfs
    case 0x858458F6:  // ramfs
    case 0x794C7630:  // overlayfs
    case 0x4D44:      // FAT
    case 0x2011BAB0:  // exFAT
    case 0x5346544E:  // NTFS
    case 0x7366746E:  // NTFS, the newer driver
      return false;
    default: return true;
  }
#else
  return (system.f_flags & MNT_LOCAL) == 0;
#endif
}

static bool is_own_file(const struct stat *status) {
  return S_ISREG(status->st_mode) && status->st_uid == geteuid() && status->st_nlink == 1;
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

// Whether nobody writes to an open file, which is then locked.
static bool is_abandoned(int descriptor, const struct stat *status) {
  if (is_shared_between_machines(descriptor) && time(NULL) - status->st_mtime < SECONDS_A_DAY) {
    return false;
  }
  return flock(descriptor, LOCK_EX | LOCK_NB) == 0;
}

bool fs_remove_left_over(int folder, const char *name) {
  struct stat seen, opened, now;
  if (fstatat(folder, name, &seen, AT_SYMLINK_NOFOLLOW) != 0 || !is_own_file(&seen)) return false;
  // For writing, because a lock over NFS wants that.
  const int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  const int descriptor = openat(folder, name, flags);
  if (descriptor < 0) return false;
  const bool is_removed =
      fstat(descriptor, &opened) == 0 && is_own_file(&opened) && is_same_file(&seen, &opened) &&
      is_abandoned(descriptor, &opened) &&
      fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && is_same_file(&opened, &now) &&
      unlinkat(folder, name, 0) == 0;
  close(descriptor);
  return is_removed;
}
