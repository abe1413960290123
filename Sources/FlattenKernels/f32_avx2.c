// The vector kernels for AVX2 and FMA: Haswell, Zen and later.
#if defined(__x86_64__)
#include "tables.h"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define TABLE fk_table_avx2
#define ISA "avx2"
// Product tiles: 6 x 2 accumulators of 8 floats, 2 of b and 1 broadcast, of 16 registers.
#define TILE_ROWS 6
#define TILE_LANES 8
#include "vector.inc"

#include "f32_gemm.inc"

#include "winograd.inc"

#include "winograd_weights.inc"

#include "bf16_gemm.inc"

#include "table.inc"
#pragma clang attribute pop
#endif
