// The kernels for AVX-512: Skylake-X, Zen 4 and later.
#if defined(__x86_64__)
#include <immintrin.h>

#include "tables.h"
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))), apply_to = function)
#define TABLE fk_table_avx512
#define ISA "avx512"
#include "avx512.inc"
#pragma clang attribute pop
#endif
