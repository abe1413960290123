// The tables that dispatch.c chooses from.
#pragma once

#include "FlattenKernels.h"

extern const struct fk_table fk_table_ref;
extern const struct fk_table fk_table_generic;
#if defined(__x86_64__)
extern const struct fk_table fk_table_avx2;    // Haswell, Zen and later
extern const struct fk_table fk_table_avx512;  // Skylake-X, Zen 4 and later
extern const struct fk_table fk_table_avx512_bf16;  // Cooper Lake, Zen 4 and later
#endif
