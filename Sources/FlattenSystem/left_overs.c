#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
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

static bool is_own(const struct stat *status) {
  const bool is_file = S_ISREG(status->st_mode) && status->st_nlink == 1;
  return (is_file || S_ISDIR(status->st_mode)) && status->st_uid == geteuid();
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

// Removes the files of an open folder; what is no file stays.
static void remove_files_of(int descriptor) {
  const int own = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = own < 0 ? NULL : fdopendir(own);
  if (stream == NULL) {
    if (own >= 0) close(own);
    return;
  }
  for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      unlinkat(own, entry->d_name, 0);
    }
  }
  closedir(stream);
}

bool fs_remove_left_over(int folder, const char *name) {
  struct stat seen, opened, now;
  if (fstatat(folder, name, &seen, AT_SYMLINK_NOFOLLOW) != 0 || !is_own(&seen)) return false;
  const bool is_folder = S_ISDIR(seen.st_mode);
  // Files for writing, because a lock over NFS wants that.
  const int kind = is_folder ? O_RDONLY | O_DIRECTORY : O_WRONLY;
  const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  const int descriptor = openat(folder, name, kind | flags);
  if (descriptor < 0) return false;
  bool is_removed =
      fstat(descriptor, &opened) == 0 && is_own(&opened) && is_same_file(&seen, &opened) &&
      is_abandoned(descriptor, &opened) &&
      fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && is_same_file(&opened, &now);
  if (is_removed) {
    if (is_folder) remove_files_of(descriptor);
    is_removed = unlinkat(folder, name, is_folder ? AT_REMOVEDIR : 0) == 0;
  }
  close(descriptor);
  return is_removed;
}

int fs_create_temporary_folder(const char *path) {
  if (mkdir(path, 0777) != 0) return -1;
  const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) {
    const int code = errno;
    rmdir(path);
    errno = code == ENOENT ? EEXIST : code;
    return -1;
  }
  // Whoever clears up may have found the folder before it was locked.
  struct stat status;
  const bool is_taken = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (is_taken || fstat(descriptor, &status) != 0 || status.st_nlink == 0) {
    rmdir(path);
    close(descriptor);
    errno = EEXIST;
    return -1;
  }
  return descriptor;
}

bool fs_remove_folder_of_files(const char *path) {
  const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return false;
  remove_files_of(descriptor);
  close(descriptor);
  return rmdir(path) == 0;
}

bool fs_exchange(const char *path, const char *existing) {
#if defined(__linux__) && defined(SYS_renameat2)
  enum { EXCHANGE = 2 };  // RENAME_EXCHANGE
  if (syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, existing, EXCHANGE) == 0) return true;
  if (errno != ENOSYS && errno != EINVAL && errno != EPERM) return false;
#endif
  // No name of a left-over: a process that is killed between the steps leaves what was there.
  static const char suffix[] = ".earlier";
  const size_t size = strlen(path) + sizeof suffix;
  char *aside = malloc(size);
  if (aside == NULL) return false;
  snprintf(aside, size, "%s%s", path, suffix);
  bool is_done = rename(existing, aside) == 0;
  if (is_done && rename(path, existing) != 0) {
    const int code = errno;
    rename(aside, existing);
    errno = code;
    is_done = false;
  }
  if (is_done) rename(aside, path);
  free(aside);
  return is_done;
}
