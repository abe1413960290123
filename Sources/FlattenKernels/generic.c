// The kernels for any CPU: SSE2 on x86-64, NEON on arm64.
#define TABLE fk_table_generic
#define ISA "generic"
#define TILE_ROWS 6
#define TILE_LANES 4
#include "kernels.inc"
