// The vector kernels for any CPU: SSE2 on x86-64, NEON on arm64.
#define TABLE fk_table_generic
#define ISA "generic"
#include "f32_vector.inc"
