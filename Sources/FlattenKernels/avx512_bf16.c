// The AVX-512 kernels with products of bfloat16 by AVX512-BF16: Cooper Lake, Zen 4 and later.
#if defined(__x86_64__)
#include <immintrin.h>

#include "tables.h"
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,fma"))), \
    apply_to = function)
#define TABLE fk_table_avx512_bf16
#define ISA "avx512_bf16"
#define DOT(sum, a, b) ((tile_vec)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(a), (__m512bh)(b)))
#define NARROW(v) ((narrow_vec)_mm512_cvtneps_pbh((__m512)(v)))
#include "avx512.inc"
#pragma clang attribute pop
#endif
