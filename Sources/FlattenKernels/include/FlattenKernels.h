// The kernels behind FlattenTensor's operators.
//
// Every entry of the table has up to five bodies: a plain reference (obvious loops, the definition
// and the judge of the others), one over generic vectors for any CPU (SSE2, NEON), and the same
// loops compiled for AVX2 with FMA, for AVX-512 and for AVX-512 with BF16. `fk_active` gives the
// best table this CPU has; FLATTEN_ISA=ref|generic|avx2|avx512|avx512_bf16 lowers the choice, never
// raises it.
//
// Contract of all:
// - Strides are in elements, never in bytes. Buffers need only the alignment of their elements.
// - Outputs do not overlap inputs, except where they may be the same.
// - Where an extent of the output is zero, nothing is written. Nothing is read or written outside
//   the given extents, except where that is said.
// - NaN stays visible: it is in every result that depends on it, except where that is said.
// - No allocation, no locks, no failure.
// - Within a set the bits of an element depend only on what it is computed from: not on its row or
//   column, nor on how many others are computed with it.
//
// Errors are the largest ones, against the same formula in exact numbers; an ulp is 2^-23 of the
// magnitude that is named. Those of sums are the usual bounds, which any order of adding keeps; the
// others are what the tests allow.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum fk_activation {
  FK_NONE = 0,
  FK_RELU = 1,
  FK_GELU = 2,
  FK_SIGMOID = 3,
  FK_SILU = 4,
  FK_ELU = 5,
  FK_ELU_PLUS_ONE = 6,
  FK_GELU_TANH = 7,
  FK_HARD_SWISH = 8
};

// What a product does to its result while it is in registers or the first-level cache:
//   c[r][j] = activation(c[r][j] + bias[j]) + residual[r][j]
struct fk_epilogue {
  const float *bias;  // columns, or NULL
  enum fk_activation activation;
  const float *residual;  // rows x columns, row stride ldr, or NULL
  ptrdiff_t ldr;
};

// The instruction set in use: "ref", "generic", "avx2", "avx512" or "avx512_bf16".
const char *fk_isa(void);

// Every kernel of one instruction set. Operators call those of the active table; tests compare
// tables.
struct fk_table {
  const char *isa;

  // Bias, activation and residual:
  //   c[r][j] = activation(c[r][j] + bias[j]) + residual[r][j], in place.
  // c: rows x cols, row stride ldc. bias: cols, or NULL. residual: rows x cols, row stride ldr, or
  // NULL.
  // ReLU is max(x, 0); GELU is the exact form 0.5 x (1 + erf(x / sqrt 2)), GELU_TANH the other one,
  // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))); sigmoid is 1 / (1 + e^-x), SiLU
  // x sigmoid(x); ELU is x above 0, else e^x - 1, and FK_ELU_PLUS_ONE that plus 1; HARD_SWISH is
  // x min(max(x + 3, 0), 6) / 6.
  // Error: each sum is rounded once. GELU is within 5e-7, its erf within 2.5e-7, and half an ulp of
  // the result where that is more; of -infinity it may be NaN, as the three below are. Sigmoid, SiLU
  // and ELU + 1 are within 4 ulp of the result where x is above -87, ELU within 2 ulp of 1;
  // GELU_TANH is within 5e-7 and 2 ulp of x, HARD_SWISH within 2 ulp of x.
  void (*epilogue)(float *c, ptrdiff_t ldc, size_t rows, size_t cols, const float *bias,
                   enum fk_activation activation, const float *residual, ptrdiff_t ldr);

  // Layer norm of each row:
  //   y = (x - mean) / sqrt(variance + eps) * gamma + beta
  // The variance is taken around the mean (two passes), over cols, not cols - 1.
  // x, y: rows x cols, contiguous; they may be the same. gamma, beta: cols.
  // A NaN or infinite element makes its row NaN.
  // Error: 8 ulp of max(|mean|, 1) / deviation + max |y|.
  void (*layer_norm)(const float *x, float *y, size_t rows, size_t cols, const float *gamma,
                     const float *beta, float eps);

  // The focusing map of focused linear attention, of each row:
  //   u = (max(x + add, 0) + 1e-6) * inverse_scale,   y = |u| * u^power / |u^power|
  // Both norms are over the whole row. Evaluated on u / max(u), so that no power over- or
  // underflows.
  // x: rows x cols, row stride ldx. add: rows x cols, contiguous, or NULL. inverse_scale: cols.
  // y: rows x cols, contiguous. power >= 1.
  // A NaN or +infinity makes its row NaN; -infinity counts as a negative number.
  // Error: power + 12 ulp of each element.
  void (*focus)(const float *x, ptrdiff_t ldx, const float *add, float *y, size_t rows, size_t cols,
                const float *inverse_scale, int power);

  // Softmax of each row, in place:
  //   x = e^(x * scale) / sum e^(x * scale)
  // Evaluated on the distance from the row's maximum, so that nothing overflows.
  // x: rows x cols, row stride ldx.
  // factors: rows numbers, or NULL. Where given, each row's quotient is written there and is not
  // multiplied in, for callers who multiply something shorter; 0 of a row without elements.
  // A NaN or +infinity makes its row NaN, as does a row of nothing but -infinity; elsewhere
  // -infinity gives 0.
  // Error: 24 ulp of each element where |x * scale| <= 18; more beyond, as x * scale is rounded and
  // then an exponent. The exponential itself is within 2 ulp, and 0 below -87, where the reference
  // goes on to denormal numbers.
  void (*softmax)(float *x, ptrdiff_t ldx, size_t rows, size_t cols, float scale,
                  float *factors);

  // One step of a softmax over rows, of each column:
  //   top' = max(top, max_r x[r]),   factor = e^(top - top'),   x[r] = e^(x[r] - top'),
  //   sum = sum * factor + sum_r x[r],   top = top'
  // Before the first step top is -infinity and sum 0; after the last, e^(x - top) / sum is the
  // softmax. What was summed up with the elements of steps before is to be multiplied by factor.
  // x: rows x cols, row stride ldx. top, sum, factor: cols.
  // Nothing is written where there are no rows. A NaN or +infinity makes its column's sum NaN, as
  // do elements that are all -infinity.
  // Error: exponentials as those of softmax; sum: rows / 2 + 4 ulp.
  void (*softmax_columns)(float *x, ptrdiff_t ldx, size_t rows, size_t cols, float *top,
                          float *sum, float *factor);

  // Sums over rows: sums[j] = sum_r x[r][j], added up in blocks of 64 rows from the first on.
  // x: rows x cols, row stride ldx. sums: cols; 0 where there are no rows.
  // Error: (64 + rows / 64) / 2 ulp of the sum of magnitudes.
  void (*column_sums)(const float *x, ptrdiff_t ldx, size_t rows, size_t cols, float *sums);

  // The normaliser of linear attention, of each row in place:
  //   y = y * (1 / max(q . k_mean + eps, least)), NaN where the sum is
  // y: rows x cols, q: rows x depth, row strides ldy and ldq. k_mean: depth.
  // Error: 6 + depth / 16 ulp of each element where no product of q and k_mean is negative.
  void (*divide_by_dot)(float *y, ptrdiff_t ldy, size_t cols, const float *q, ptrdiff_t ldq,
                        const float *k_mean, size_t depth, size_t rows, float eps, float least);

  // Magnitudes brought into a range, and a gate between two of it:
  //   y = c(u + u * gate[j]) + residual,   u = c(x),   c(t) = sign(t) min(max(|t|, least), most)
  // 0 stays 0. Without a gate y = u + residual.
  // x, y: rows x cols, contiguous; they may be the same. gate: cols, or NULL. residual: rows x cols,
  // contiguous, or NULL.
  // Error: each sum and product is rounded once.
  void (*clamp_magnitude)(const float *x, float *y, size_t rows, size_t cols, float least,
                          float most, const float *gate, const float *residual);

  // divide_by_dot with clamped magnitudes: y = c(c(y) * c(1 / (q . k_sum + eps))), c as above.
  // y: rows x cols, q: rows x depth, row strides ldy and ldq. k_sum: depth.
  // Error: as divide_by_dot.
  void (*divide_by_dot_clamped)(float *y, ptrdiff_t ldy, size_t cols, const float *q, ptrdiff_t ldq,
                                const float *k_sum, size_t depth, size_t rows, float eps,
                                float least, float most);

  // An activation of each element, and a constant: y = activation(x) + plus.
  // x, y: rows x cols, row strides ldx and ldy; they may be the same. Error: as epilogue.
  void (*activate_rows)(const float *x, ptrdiff_t ldx, float *y, ptrdiff_t ldy, size_t rows,
                        size_t cols, enum fk_activation activation, float plus);

  // Rows of one length: y = x * (length / (|x| + eps)), with the 2-norm over the row.
  // x, y: rows x cols, row strides ldx and ldy; they may be the same.
  // A norm beyond the largest number makes the row 0 or NaN.
  // Error: 6 + cols / 32 ulp of each element.
  void (*unit_rows)(const float *x, ptrdiff_t ldx, float *y, ptrdiff_t ldy, size_t rows,
                    size_t cols, float length, float eps);

  // Neighbouring pairs of one row's channels, turned: for each head and pair
  //   y[2j] = x[2j] cos_j - x[2j + 1] sin_j,   y[2j + 1] = x[2j] sin_j + x[2j + 1] cos_j
  // The first `split` channels of each head have their angles in `first`, the other ones in `second`:
  // a table holds the cosines, each twice, then the sines, -sin_j before sin_j.
  // x, y: heads x width, contiguous; they may be the same. first: 2 split. second: 2 (width - split).
  // width and split are even.
  // Error: 1 ulp of |x[2j]| + |x[2j + 1]|.
  void (*rotate_row)(const float *x, float *y, size_t heads, size_t width, size_t split,
                     const float *first, const float *second);

  // y = y * x, element by element.
  // y, x: rows x cols, row strides ldy and ldx; ldx may be 0. Error: half an ulp.
  void (*multiply_rows)(float *y, ptrdiff_t ldy, const float *x, ptrdiff_t ldx, size_t rows,
                        size_t cols);

  // Products of each head of each row with one row: y[r][h] = scale * sum_j x[r][h][j] m[h][j].
  // x: rows x (heads x width), row stride ldx. m: heads x width. y: rows x heads, row stride ldy.
  // Error: 5 + width / 32 ulp of scale * sum |x m|.
  void (*dot_heads)(const float *x, ptrdiff_t ldx, size_t rows, size_t heads, size_t width,
                    const float *m, float scale, float *y, ptrdiff_t ldy);

  // Maxima over rows: maxima[j] = max(maxima[j], max_r x[r][j]). Exact. A NaN never wins.
  // x: rows x cols, row stride ldx. maxima: cols.
  void (*column_maxima)(const float *x, ptrdiff_t ldx, size_t rows, size_t cols, float *maxima);

  // Exponentials below each column's top: y = e^(x * scale - top[j] * scale).
  // x, y: rows x cols, row strides ldx and ldy; they may be the same. top: cols; x * scale is
  // nowhere more than 88 above top * scale.
  // Error: as softmax's, without its quotient.
  void (*exp_columns)(const float *x, ptrdiff_t ldx, float *y, ptrdiff_t ldy, size_t rows,
                      size_t cols, const float *top, float scale);

  // Heads of rows, mirrored: y = x - 2 (x . v) v.
  // x, y: rows x (heads x width), row strides ldx and ldy; they may be the same. v: width.
  // Error: for v of length 1, 8 + width / 16 ulp of the head's norm.
  void (*reflect_rows)(const float *x, ptrdiff_t ldx, float *y, ptrdiff_t ldy, size_t rows,
                       size_t heads, size_t width, const float *v);

  // Random features of an exponential kernel, in place: y = e^(y - half |x|^2 - top) + eps.
  // y: rows x cols, row stride ldy. x: rows x width, row stride ldx. top: one number that no y is
  // more than 88 above, or NULL, which takes each row's maximum.
  // Error: exponentials as those of softmax; the exponent's error is (2 + width / 32) ulp of
  // half |x|^2 and 2 ulp of |y| and top.
  void (*exp_features)(float *y, ptrdiff_t ldy, size_t rows, size_t cols, const float *x,
                       ptrdiff_t ldx, size_t width, float half, const float *top, float eps);

  // One output row, number `row`, of a depthwise convolution, zero padding kernel / 2:
  //   out[column][c] = activation(bias[c] + sum_ij x[y][z][c] w[i][j][c]) + residual[column][c],
  //   y = row stride + i - half,   z = column stride + j - half,   half = kernel / 2
  // x: height x width pixels of `channels`, pixels ldx apart. weight: kernel x kernel x channels,
  // kernel odd. bias: channels, or NULL. out: columns x channels, columns = ceil(width / stride).
  // residual: the same, this output row, or NULL; it may be the same as out.
  // Error: (kernel^2 + 1) / 2 ulp of |bias| + sum |x w|, then as epilogue.
  void (*depthwise_row)(const float *x, ptrdiff_t ldx, size_t height, size_t width,
                        size_t channels, size_t row, int kernel, int stride, const float *weight,
                        const float *bias, enum fk_activation activation, const float *residual,
                        float *out);

  // One output row of a bilinear resize:
  //   out[p] = base[p] + wy0 * (wx0[p] * upper[x0[p]] + wx1[p] * upper[x1[p]])
  //                    + wy1 * (wx0[p] * lower[x0[p]] + wx1[p] * lower[x1[p]])
  // upper, lower: rows of pixels of `channels`, contiguous, at least as long as x0 and x1 reach.
  // x0, x1, wx0, wx1: pixels. base: pixels x channels, or NULL; it may be the same as out.
  // out: pixels x channels.
  // Error: for weights that sum to 1, 3 ulp of the largest input, and 1 more with base.
  void (*bilinear_row)(const float *upper, const float *lower, float wy0, float wy1,
                       const int32_t *x0, const int32_t *x1, const float *wx0, const float *wx1,
                       size_t pixels, size_t channels, const float *base, float *out);

  // bilinear_row in two steps, for those who use a source row many times; together they give its
  // bits, without base. First along the row:
  //   out[p] = w0[p] * row[x0[p]] + w1[p] * row[x1[p]]
  // row: width x channels. x0, x1, w0, w1: pixels. out: pixels x channels.
  void (*mix_columns)(const float *row, size_t width, const int32_t *x0, const int32_t *x1,
                      const float *w0, const float *w1, size_t pixels, size_t channels,
                      float *out);

  // Then between two rows: out[i] = a * upper[i] + b * lower[i]. All: count.
  void (*mix_rows)(const float *upper, const float *lower, float a, float b, size_t count,
                   float *out);

  // A cubic resize in two steps. First along a row, four taps a pixel:
  //   out[p] = sum_t w[4 p + t] * row[x[4 p + t]],   0 <= t < 4
  // row: pixels of `channels`, contiguous, at least as long as x reaches. x, w: 4 x pixels.
  // out: pixels x channels.
  // Error: 4 ulp of sum |w row|.
  void (*cubic_columns)(const float *row, const int32_t *x, const float *w, size_t pixels,
                        size_t channels, float *out);

  // Then between four rows, some of which may be the same:
  //   out[i] = base[i] + sum_t w[t] * rows[t][i]
  // rows, out: count. base: count, or NULL; it may be the same as out.
  // Error: 4 ulp of sum |w rows|, and half an ulp of the result with base.
  void (*cubic_rows)(const float *const rows[4], const float w[4], const float *base, size_t count,
                     float *out);

  // One row of the bins of RoIAlign: for each bin a sum over some rows and some columns of a map,
  //   out[bin][c] = sum_i sum_j wy[i] wz[j] x[y[i]][z[j]][c],   ends[bin - 1] <= j < ends[bin]
  // x: rows ldx apart, of pixels of `channels`, contiguous. y, wy: rows. ends: bins; those of bin 0
  // begin with j = 0. z, wz: ends[bins - 1]. out: bins x channels; 0 where there is nothing to add.
  // Error: for n rows and columns of a bin together, (n + 2) / 2 ulp of sum |wy wz x|.
  void (*roi_align)(const float *x, ptrdiff_t ldx, size_t channels, size_t rows, const int32_t *y,
                    const float *wy, size_t bins, const int32_t *ends, const int32_t *z,
                    const float *wz, float *out);

  // The positions i with x[i] >= bound, in ascending order; gives their number. Exact. NaN is never
  // found, and nothing where bound is NaN.
  // x: count, below 2^32. index: room for count, all of which may be written.
  size_t (*find_above)(const float *x, size_t count, float bound, uint32_t *index);

  // index[r] = the first column that holds the row's maximum. Exact.
  // x: rows x cols, contiguous, of at most 65536 columns. index: rows.
  // A NaN never wins; a row of nothing else, or of no columns, gives 0.
  void (*argmax)(const float *x, size_t rows, size_t cols, uint16_t *index);

  // Whether no element of `count` is NaN or infinite: 1 or 0; 1 where there are none. Exact.
  int (*all_finite)(const float *x, size_t count);

  // y[i] += a * x[i]. y, x: count.
  // Error: half an ulp of |a x|, and half an ulp of the result.
  void (*add_scaled)(float *y, const float *x, float a, size_t count);

  // Products of matrices, c = a b, take b packed in panels of `gemm_panel` columns, each panel
  // depth x gemm_panel, the last one filled up with zeros: packed holds
  // depth * ceil(columns / gemm_panel) * gemm_panel floats. What one table packed, another cannot
  // read.
  size_t gemm_panel;
  // Rows that a product works on at once; blocks of rows that are multiples of it have no tails.
  size_t gemm_rows;

  // Packs b[p][j] = b[p * depth_stride + j * column_stride]. Exact.
  void (*gemm_pack)(const float *b, ptrdiff_t depth_stride, ptrdiff_t column_stride, size_t depth,
                    size_t columns, float *packed);

  // c = a b, then the epilogue:
  //   c[r][j] = sum_p a[r][p] b[p][j], in the order of p; 0 where depth is 0
  // a[r][p] = a[r * row_stride + p * depth_stride], read in place. packed: of b [depth, columns].
  // c: rows x columns, row stride ldc. epilogue: or NULL.
  // Error: depth / 2 ulp of sum |a b|, then as epilogue.
  void (*gemm)(const float *a, ptrdiff_t row_stride, ptrdiff_t depth_stride, size_t rows,
               size_t depth, const float *packed, float *c, ptrdiff_t ldc, size_t columns,
               const struct fk_epilogue *epilogue);

  // Winograd's convolutions F(4x4, 3x3) and F(4x4, 5x5), by `window`, 3 or 5. For a window g of
  // weights and a patch d of n x n pixels, n = window + 3:
  //   y = A^T m A,   m = sum over input channels of u o v,   u = G g G^T,   v = B^T d B
  // with o element by element; y is a tile of 4x4 pixels. The n^2 numbers of u, v and m are its
  // positions, row by row; m is one product of matrices for each position, left to gemm.
  // Error of the whole: 4e-6 of the largest output with 256 input channels.

  // u = G g G^T for `lanes` windows side by side, g[tap * lanes + lane] times scale[lane].
  // Multiplied in single precision, transformed in double and rounded once.
  // g: window^2 x lanes. scale: lanes, or NULL. u[position * position_stride + lane].
  // Error: one ulp of each element, against G g G^T of the rounded g times scale.
  void (*winograd_weights)(int window, const float *g, const float *scale, size_t lanes, float *u,
                           size_t position_stride);

  // v = B^T d B for the patch of x from row `top` and column `left` on; outside x it is zero.
  // x: height x width pixels of `channels`, contiguous. v[position * position_stride + channel].
  void (*winograd_input)(int window, const float *x, ptrdiff_t height, ptrdiff_t width,
                         size_t channels, ptrdiff_t top, ptrdiff_t left, float *v,
                         size_t position_stride);

  // The first `rows` x `columns` (at most 4 x 4) pixels of y = activation(A^T m A + bias).
  // m[position * position_stride + channel]. bias: channels, or NULL.
  // y: rows row_stride apart, pixels pixel_stride apart.
  void (*winograd_output)(int window, const float *m, size_t position_stride, size_t channels,
                          const float *bias, enum fk_activation activation, float *y,
                          size_t row_stride, size_t pixel_stride, size_t rows, size_t columns);

  // The same in bfloat16: the upper half of a float, stored as uint16_t. Sums are in single
  // precision.

  // Whether the set has instructions for it; without them these kernels are right but not fast.
  int has_bf16;

  // y = x rounded to nearest, ties to even; NaN stays NaN, denormal numbers may become 0.
  // x: rows x cols, row stride ldx. y: rows x cols, row stride ldy; with odd cols one 0 follows
  // each row, so ldy > cols.
  void (*bf16_narrow)(const float *x, ptrdiff_t ldx, size_t rows, size_t cols, uint16_t *y,
                      ptrdiff_t ldy);

  // Packs as gemm_pack does, rounded; pairs of depth lie side by side, an odd depth is filled up
  // with zeros: packed holds 2 * ceil(depth / 2) * ceil(columns / gemm_panel) * gemm_panel numbers.
  void (*bf16_pack)(const float *b, ptrdiff_t depth_stride, ptrdiff_t column_stride, size_t depth,
                    size_t columns, uint16_t *packed);

  // c = a b, then the epilogue, in single precision to c or, where that is NULL, rounded to narrow.
  // a: rows x depth, row stride row_stride; with odd depth one more number a row is read, and must
  // be finite. packed: of b [depth, columns]. c, narrow: rows x columns, row stride ldc; with odd
  // columns one 0 follows each row of narrow. epilogue: or NULL.
  // Error: as gemm on the rounded numbers, denormal ones perhaps counted as 0; rounding to narrow
  // adds half a step, 2^-8 of the result.
  void (*bf16_gemm)(const uint16_t *a, ptrdiff_t row_stride, size_t rows, size_t depth,
                    const uint16_t *packed, float *c, uint16_t *narrow, ptrdiff_t ldc,
                    size_t columns, const struct fk_epilogue *epilogue);

  // As winograd_input, each element rounded.
  void (*bf16_winograd_input)(int window, const float *x, ptrdiff_t height, ptrdiff_t width,
                              size_t channels, ptrdiff_t top, ptrdiff_t left, uint16_t *v,
                              size_t position_stride);
};

// The table of an instruction set, or NULL where this CPU or build does not have it.
const struct fk_table *fk_table_for(const char *isa);

// The table in use.
const struct fk_table *fk_active(void);

// Makes another table the one in use, where this CPU has it; gives the one before. What was packed
// under one table must not meet another: only for a program that compares sets and keeps its models
// apart.
const struct fk_table *fk_select(const char *isa);

// What a thread does between two looks at a place where another one is about to write.
static inline void fk_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");  // long enough to count as a pause, as "yield" is not
#endif
}
