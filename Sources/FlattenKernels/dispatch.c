#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

// Slowest first: FLATTEN_ISA may only move the choice towards the front.
static const struct fk_table *available[4];
static size_t available_count;
static const struct fk_table *active;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void) {
  available[available_count++] = &fk_table_ref;
  available[available_count++] = &fk_table_generic;
#if defined(__x86_64__)
  // "avx2" also vouches for the operating system's support of the wider registers.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    available[available_count++] = &fk_table_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
      available[available_count++] = &fk_table_avx512;
    }
  }
#endif
  active = available[available_count - 1];
  const char *wanted = getenv("FLATTEN_ISA");
  for (size_t i = 0; wanted && i < available_count; i++) {
    if (strcmp(available[i]->isa, wanted) == 0) active = available[i];
  }
}

const struct fk_table *fk_active(void) {
  pthread_once(&once, choose);
  return active;
}

const struct fk_table *fk_table_for(const char *isa) {
  pthread_once(&once, choose);
  for (size_t i = 0; i < available_count; i++) {
    if (strcmp(available[i]->isa, isa) == 0) return available[i];
  }
  return NULL;
}

const char *fk_isa(void) { return fk_active()->isa; }
