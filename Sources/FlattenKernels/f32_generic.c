// The vector kernels for any CPU: SSE2 on x86-64, NEON on arm64.
#define TABLE fk_table_generic
#define ISA "generic"
// Product tiles: 6 x 2 accumulators of 4 floats, 2 of b and 1 broadcast, of 16 registers.
#define TILE_ROWS 6
#define TILE_LANES 4
#include "vector.inc"

#include "f32_gemm.inc"

#include "winograd.inc"

#include "winograd_weights.inc"

#include "bf16_gemm.inc"

#include "table.inc"
