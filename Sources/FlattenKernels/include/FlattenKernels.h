// The kernels behind FlattenTensor's operators.
//
// Every entry of the table has up to five bodies: a plain reference (`_ref`, obvious loops, the
// definition and the judge of the others), one over generic vectors for any CPU (SSE2, NEON), and the
// same loops compiled for AVX2+FMA, AVX-512 and AVX-512 with BF16. `fk_active` gives the best table this
// CPU has; `FLATTEN_ISA=ref|generic|avx2|avx512|avx512_bf16` lowers the choice, never raises it.
//
// Contract of all: strides are in elements; buffers need only the alignment of float; outputs do not
// overlap inputs unless stated; zero extents do nothing; nothing is read or written outside the given
// extents; no allocation, no locks, no failure.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum fk_activation { FK_NONE = 0, FK_RELU = 1, FK_GELU = 2 };

// What a product does to its result while it is in registers:
//   c[r][j] = activation(c[r][j] + bias[j]) + residual[r][j]
struct fk_epilogue {
  const float *bias;  // columns, or NULL
  enum fk_activation activation;
  const float *residual;  // row stride ldr, or NULL
  ptrdiff_t ldr;
};

// The instruction set in use: "ref", "generic", "avx2", "avx512" or "avx512_bf16".
const char *fk_isa(void);

// Every kernel of one instruction set. Operators call those of the active table; tests compare tables.
struct fk_table {
  const char *isa;

  // c[r][j] = activation(c[r][j] + bias[j]) + residual[r][j], in place.
  // c: rows x cols with row stride ldc. bias: cols, or NULL. residual: row stride ldr, or NULL.
  // GELU is the exact form 0.5 x (1 + erf(x / sqrt 2)), within 5e-7 of the true value.
  void (*epilogue)(float *c, ptrdiff_t ldc, size_t rows, size_t cols, const float *bias,
                   enum fk_activation activation, const float *residual, ptrdiff_t ldr);

  // y = (x - mean) / sqrt(variance + eps) * gamma + beta for each row; the variance is taken around
  // the mean (two passes). x and y may be the same.
  void (*layer_norm)(const float *x, float *y, size_t rows, size_t cols, const float *gamma,
                     const float *beta, float eps);

  // The focusing map of focused linear attention for each row of x (after `add`, where given):
  //   u = (max(x + add, 0) + 1e-6) * inverse_scale;   y = |u| * u^power / |u^power|
  // Both norms are over the whole row. Evaluated on u / max(u), so that no power over- or underflows;
  // a row that holds NaN stays NaN. x: row stride ldx; add: row stride cols; y: row stride cols.
  void (*focus)(const float *x, ptrdiff_t ldx, const float *add, float *y, size_t rows, size_t cols,
                const float *inverse_scale, int power);

  // x = softmax(x * scale) for each row, in place. Row stride ldx. exp is within 2 ulp.
  void (*softmax)(float *x, ptrdiff_t ldx, size_t rows, size_t cols, float scale);

  // sums[j] = sum over rows of x[r][j], added up in blocks of 64 rows; 0 where there are none.
  void (*column_sums)(const float *x, ptrdiff_t ldx, size_t rows, size_t cols, float *sums);

  // y[r][j] *= 1 / (q[r] . k_mean + eps), in place: the normaliser of linear attention.
  void (*divide_by_dot)(float *y, ptrdiff_t ldy, const float *q, ptrdiff_t ldq,
                        const float *k_mean, size_t rows, size_t cols, float eps);

  // One output row of a depthwise convolution, stride 1, zero padding kernel / 2.
  // x: height x width pixels of `channels`, ldx apart. weight: kernel * kernel x channels.
  // bias: channels, or NULL. residual: this output row, or NULL; added after the activation; it may be
  // out.
  // out: width x channels, row number `row`.
  void (*depthwise_row)(const float *x, ptrdiff_t ldx, size_t height, size_t width,
                        size_t channels, size_t row, int kernel, const float *weight,
                        const float *bias, enum fk_activation activation, const float *residual,
                        float *out);

  // One output row of a bilinear resize:
  //   out[p] = base[p] + wy0 * (wx0[p] * upper[x0[p]] + wx1[p] * upper[x1[p]]) + wy1 * (... lower ...)
  // upper, lower: rows of pixels of `channels`; x0, x1: source columns of each output pixel.
  // base: a row of the output's size, or NULL; it may be out.
  void (*bilinear_row)(const float *upper, const float *lower, float wy0, float wy1,
                       const int32_t *x0, const int32_t *x1, const float *wx0, const float *wx1,
                       size_t pixels, size_t channels, const float *base, float *out);

  // bilinear_row in two steps, for those who use a source row many times; together they give its bits.
  // First along the row, of `width` pixels:
  //   out[p] = w0[p] * row[x0[p]] + w1[p] * row[x1[p]]
  void (*mix_columns)(const float *row, size_t width, const int32_t *x0, const int32_t *x1,
                      const float *w0, const float *w1, size_t pixels, size_t channels,
                      float *out);

  // Then between two rows: out[i] = a * upper[i] + b * lower[i].
  void (*mix_rows)(const float *upper, const float *lower, float a, float b, size_t count,
                   float *out);

  // index[r] = the first column that holds the row's maximum. Rows contiguous, of at most
  // 65536 columns. A NaN never wins; a row of nothing else, or of nothing, gives 0.
  void (*argmax)(const float *x, size_t rows, size_t cols, uint16_t *index);

  // Whether no element is NaN or infinite: 1 or 0; 1 where there are none.
  int (*all_finite)(const float *x, size_t count);

  // y[i] += a * x[i].
  void (*add_scaled)(float *y, const float *x, float a, size_t count);

  // Products take b packed in panels of `gemm_panel` columns, each panel depth x gemm_panel, the last
  // one filled up with zeros: packed holds depth * ceil(columns / gemm_panel) * gemm_panel floats.
  size_t gemm_panel;
  // Rows that a product works on at once; blocks of rows that are multiples of it have no tails.
  size_t gemm_rows;

  // Packs b[p][j] = b[p * depth_stride + j * column_stride].
  void (*gemm_pack)(const float *b, ptrdiff_t depth_stride, ptrdiff_t column_stride, size_t depth,
                    size_t columns, float *packed);

  // c = a b, then the epilogue; a[r][p] = a[r * row_stride + p * depth_stride] is read in place.
  // c: rows x columns, row stride ldc. epilogue: or NULL. Each element is a sum in the order of p, so
  // the bits do not depend on how rows and columns were divided.
  void (*gemm)(const float *a, ptrdiff_t row_stride, ptrdiff_t depth_stride, size_t rows,
               size_t depth, const float *packed, float *c, ptrdiff_t ldc, size_t columns,
               const struct fk_epilogue *epilogue);

  // Winograd's F(4x4, 3x3) and F(4x4, 5x5), by `window`, 3 or 5. With side = window + 3 a window of weights
  // g becomes side^2 numbers, G g G^T, for every input and output channel; a patch of side x side pixels
  // becomes side^2 vectors of channels; their products, position by position, become 4x4 pixels.
  //
  // G g G^T for `lanes` windows side by side, g[tap * lanes + lane] times scale[lane]. Multiplied in
  // single precision, transformed in double and rounded once. scale: lanes, or NULL.
  // u[position * position_stride + lane].
  void (*winograd_weights)(int window, const float *g, const float *scale, size_t lanes, float *u,
                           size_t position_stride);

  // The patch of x (height x width pixels of `channels`, contiguous) from row `top` and column `left`
  // on; what lies outside is zero. v[position * position_stride + channel].
  void (*winograd_input)(int window, const float *x, ptrdiff_t height, ptrdiff_t width,
                         size_t channels, ptrdiff_t top, ptrdiff_t left, float *v,
                         size_t position_stride);

  // The first `rows` x `columns` (at most 4 x 4) pixels of a tile: activation(A^T m A + bias).
  // m[position * position_stride + channel]; y: rows row_stride apart, pixels pixel_stride apart.
  // bias: channels, or NULL.
  void (*winograd_output)(int window, const float *m, size_t position_stride, size_t channels,
                          const float *bias, enum fk_activation activation, float *y,
                          size_t row_stride, size_t pixel_stride, size_t rows, size_t columns);

  // The same in bfloat16: the upper half of a float, stored as uint16_t. Sums are in single precision.
  // Whether the set has instructions for it; without them these kernels are right but not fast.
  int has_bf16;

  // y = x rounded to nearest, ties to even; NaN stays NaN, denormals may become 0. Row strides ldx and
  // ldy. With odd cols one 0 follows each row.
  void (*bf16_narrow)(const float *x, ptrdiff_t ldx, size_t rows, size_t cols, uint16_t *y,
                      ptrdiff_t ldy);

  // As gemm_pack; pairs of depth lie side by side: packed holds
  // 2 * ceil(depth / 2) * ceil(columns / gemm_panel) * gemm_panel numbers.
  void (*bf16_pack)(const float *b, ptrdiff_t depth_stride, ptrdiff_t column_stride, size_t depth,
                    size_t columns, uint16_t *packed);

  // c = a b, then the epilogue, in single precision to c or, where that is NULL, rounded to narrow; both
  // have row stride ldc. a: rows x depth, row stride row_stride; with odd depth one more number is read
  // and must be finite; with odd columns one 0 follows each row of narrow.
  void (*bf16_gemm)(const uint16_t *a, ptrdiff_t row_stride, size_t rows, size_t depth,
                    const uint16_t *packed, float *c, uint16_t *narrow, ptrdiff_t ldc,
                    size_t columns, const struct fk_epilogue *epilogue);

  // As winograd_input, rounded.
  void (*bf16_winograd_input)(int window, const float *x, ptrdiff_t height, ptrdiff_t width,
                              size_t channels, ptrdiff_t top, ptrdiff_t left, uint16_t *v,
                              size_t position_stride);
};

// G g G^T of Winograd's convolutions, in double precision, rounded once. g: window x window; u:
// (window + 3)^2 numbers, `stride` apart.
void fk_winograd_weights(int window, const float *g, float *u, size_t stride);

// The table of an instruction set, or NULL where this CPU or build does not have it.
const struct fk_table *fk_table_for(const char *isa);

// The table in use.
const struct fk_table *fk_active(void);

// Makes another table the one in use, where this CPU has it; gives the one before. What was packed under
// one table must not meet another: only for a program that compares sets and keeps its models apart.
const struct fk_table *fk_select(const char *isa);

// A closure of one index that Swift has lent, in two words. Good on any thread until the call that it was
// lent to returns.
struct fk_closure {
  const void *code;
  const void *captured;
};

void fk_call(struct fk_closure closure, ptrdiff_t index);

// What a thread does between two looks at a place where another one is about to write.
static inline void fk_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");  // long enough to count as a pause, as "yield" is not
#endif
}
