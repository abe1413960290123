// Chooses the table of kernels: by the features of the CPU, and lower where FLATTEN_ISA says so.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

// Slowest first: FLATTEN_ISA may only move the choice towards the front.
static const struct fk_table *available[5];
static size_t available_count;
static _Atomic(const struct fk_table *) active;
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
      if (__builtin_cpu_supports("avx512bf16")) {
        available[available_count++] = &fk_table_avx512_bf16;
      }
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

const struct fk_table *fk_select(const char *isa) {
  const struct fk_table *table = isa ? fk_table_for(isa) : NULL;
  const struct fk_table *before = fk_active();
  if (table) active = table;
  return before;
}

const char *fk_isa(void) { return fk_active()->isa; }
