// The vector kernels for AVX-512: Skylake-X, Zen 4 and later.
#if defined(__x86_64__)
#include <immintrin.h>

#include "tables.h"
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))), apply_to = function)
#define TABLE fk_table_avx512
#define ISA "avx512"
// Product tiles: 14 x 2 accumulators of 16 floats, 2 of b and 1 broadcast, of 32 registers.
#define TILE_ROWS 14
#define TILE_LANES 16
// Entry number `index` (its low four bits) of 16 floats, for each lane.
#define LOOKUP(table, index) \
  ((vec)_mm512_permutexvar_ps((__m512i)(index), _mm512_loadu_ps(table)))
#include "f32_vector.inc"

#include "f32_gemm.inc"

#include "f32_winograd.inc"

#include "f32_winograd_weights.inc"

#include "f32_table.inc"
#pragma clang attribute pop
#endif
