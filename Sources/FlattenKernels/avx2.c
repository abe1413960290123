// The kernels for AVX2 and FMA: Haswell, Zen and later.
#if defined(__x86_64__)
#include "tables.h"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define TABLE fk_table_avx2
#define ISA "avx2"
#define TILE_ROWS 6
#define TILE_LANES 8
#include "kernels.inc"
#pragma clang attribute pop
#endif
