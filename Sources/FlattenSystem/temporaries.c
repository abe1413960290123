#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "FlattenSystem.h"

struct temporary {
  struct temporary *next;
  char path[];
};

// Belongs to whoever holds the lock.
static struct temporary *all;

// Not a mutex: a signal handler must be able to wait for it. Its holder has all signals blocked, so no
// handler ever waits for the thread that it interrupted.
static atomic_flag lock = ATOMIC_FLAG_INIT;

static void wait_for_lock(void) {
  const struct timespec moment = {.tv_sec = 0, .tv_nsec = 100000};
  while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire)) nanosleep(&moment, NULL);
}

static void enter(sigset_t *before) {
  sigset_t every;
  sigfillset(&every);
  pthread_sigmask(SIG_BLOCK, &every, before);
  wait_for_lock();
}

// Keeps errno.
static void leave(const sigset_t *before) {
  const int code = errno;
  atomic_flag_clear_explicit(&lock, memory_order_release);
  pthread_sigmask(SIG_SETMASK, before, NULL);
  errno = code;
}

static struct temporary *remembering(const char *path) {
  const size_t size = strlen(path) + 1;
  struct temporary *file = malloc(sizeof *file + size);
  if (file == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  memcpy(file->path, path, size);
  return file;
}

// Takes the file of that name out; the caller holds the lock and frees what it gets.
static struct temporary *forget(const char *path) {
  for (struct temporary **link = &all; *link != NULL; link = &(*link)->next) {
    struct temporary *file = *link;
    if (strcmp(file->path, path) == 0) {
      *link = file->next;
      return file;
    }
  }
  return NULL;
}

static void keep(struct temporary *file) {
  file->next = all;
  all = file;
}

int fs_create_temporary(const char *path) {
  struct temporary *file = remembering(path);
  if (file == NULL) return -1;
  sigset_t before;
  enter(&before);
  int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor >= 0) {
    // Whoever clears up may have found the file before it was locked.
    struct stat status;
    const bool is_taken = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (is_taken || fstat(descriptor, &status) != 0 || status.st_nlink == 0) {
      unlink(path);
      close(descriptor);
      descriptor = -1;
      errno = EEXIST;
    } else {
      keep(file);
      file = NULL;
    }
  }
  leave(&before);
  const int code = errno;
  free(file);
  errno = code;
  return descriptor;
}

bool fs_name_temporary(int descriptor, const char *path) {
#if defined(__linux__)
  struct temporary *file = remembering(path);
  if (file == NULL) return false;
  char own[40];
  snprintf(own, sizeof own, "/proc/self/fd/%d", descriptor);
  flock(descriptor, LOCK_EX | LOCK_NB);
  sigset_t before;
  enter(&before);
  const bool is_named = linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
  if (is_named) {
    keep(file);
    file = NULL;
  }
  leave(&before);
  const int code = errno;
  free(file);
  errno = code;
  return is_named;
#else
  (void)descriptor;
  (void)path;
  errno = ENOTSUP;
  return false;
#endif
}

bool fs_rename_temporary(const char *path, const char *target) {
  sigset_t before;
  enter(&before);
  const bool is_done = rename(path, target) == 0;
  struct temporary *file = is_done ? forget(path) : NULL;
  leave(&before);
  const int code = errno;
  free(file);
  errno = code;
  return is_done;
}

void fs_remove_temporary(const char *path) {
  sigset_t before;
  enter(&before);
  struct temporary *file = forget(path);
  if (file != NULL) unlink(path);
  leave(&before);
  free(file);
}

void fs_remove_temporaries(void) {
  // As in all that hold the lock: a signal's handler would wait for it on this thread.
  sigset_t signals;
  sigfillset(&signals);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  // For good: the process ends next.
  wait_for_lock();
  for (const struct temporary *file = all; file != NULL; file = file->next) unlink(file->path);
}

static void end_by(int number) {
  fs_remove_temporaries();
  const struct sigaction usual = {.sa_handler = SIG_DFL};
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, number);
  sigaction(number, &usual, NULL);
  pthread_sigmask(SIG_UNBLOCK, &own, NULL);
  raise(number);
  // The first process of a container does not end by a signal of its own.
  _exit(128 + number);
}

void fs_remove_temporaries_on(int number) {
  struct sigaction action;
  if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_IGN) return;
  memset(&action, 0, sizeof action);
  action.sa_handler = end_by;
  sigfillset(&action.sa_mask);
  sigaction(number, &action, NULL);
}
