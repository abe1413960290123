// The tables that dispatch.c chooses from, one of each instruction set.
#pragma once

#include "FlattenKernels.h"

extern const struct fk_table fk_table_ref;
extern const struct fk_table fk_table_generic;
#if defined(__x86_64__)
extern const struct fk_table fk_table_avx2;
extern const struct fk_table fk_table_avx512;
extern const struct fk_table fk_table_avx512_bf16;
#endif
