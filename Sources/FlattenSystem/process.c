#define _GNU_SOURCE

#include <sched.h>
#include <stddef.h>

#include "FlattenSystem.h"

int fs_affine_processors(void) {
#if defined(__linux__)
  // The kernel refuses a mask that is shorter than its own.
  for (size_t processors = 1024; processors <= 1 << 20; processors *= 4) {
    cpu_set_t *mask = CPU_ALLOC(processors);
    if (mask == NULL) return 0;
    const size_t size = CPU_ALLOC_SIZE(processors);
    const int count = sched_getaffinity(0, size, mask) == 0 ? CPU_COUNT_S(size, mask) : 0;
    CPU_FREE(mask);
    if (count > 0) return count;
  }
#endif
  return 0;
}

static int count;
static char *const *arguments;

#if defined(__GLIBC__)
// glibc calls constructors with what it calls main with.
__attribute__((constructor)) static void keep_arguments(int argc, char *const *argv) {
  count = argc;
  arguments = argv;
}
#endif

int fs_argument_count(void) { return count; }

const char *fs_argument(int index) {
  return index >= 0 && index < count ? arguments[index] : NULL;
}
