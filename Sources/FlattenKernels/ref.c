// The definition of every kernel: obvious loops, the fallback and the tests' judge.
#include <math.h>
#include <string.h>

#include "tables.h"

static float activate(float x, enum fk_activation activation) {
  switch (activation) {
    case FK_RELU: return x < 0 ? 0 : x;
    case FK_GELU: return 0.5f * x * (1 + erff(x * 0.70710678f));
    default: return x;
  }
}

static void epilogue_ref(float *c, ptrdiff_t ldc, size_t rows, size_t cols, const float *bias,
                         enum fk_activation activation, const float *residual, ptrdiff_t ldr) {
  for (size_t r = 0; r < rows; r++) {
    for (size_t j = 0; j < cols; j++) {
      float *value = &c[(ptrdiff_t)r * ldc + (ptrdiff_t)j];
      *value = activate(*value + (bias ? bias[j] : 0), activation);
      if (residual) *value += residual[(ptrdiff_t)r * ldr + (ptrdiff_t)j];
    }
  }
}

static void layer_norm_ref(const float *x, float *y, size_t rows, size_t cols, const float *gamma,
                           const float *beta, float eps) {
  for (size_t r = 0; r < rows; r++, x += cols, y += cols) {
    double sum = 0, squares = 0;
    for (size_t j = 0; j < cols; j++) sum += x[j];
    double mean = sum / (double)cols;
    for (size_t j = 0; j < cols; j++) squares += (x[j] - mean) * (x[j] - mean);
    double factor = 1 / sqrt(squares / (double)cols + eps);
    for (size_t j = 0; j < cols; j++) y[j] = (float)((x[j] - mean) * factor) * gamma[j] + beta[j];
  }
}

static void focus_ref(const float *x, ptrdiff_t ldx, const float *add, float *y, size_t rows,
                      size_t cols, const float *inverse_scale, int power) {
  for (size_t r = 0; r < rows; r++, x += ldx, y += cols) {
    double largest = 0, norm = 0, power_norm = 0;
    for (size_t j = 0; j < cols; j++) {
      float sum = x[j] + (add ? add[r * cols + j] : 0);
      y[j] = ((sum < 0 ? 0 : sum) + 1e-6f) * inverse_scale[j];
      if (!(y[j] <= largest)) largest = y[j];
    }
    for (size_t j = 0; j < cols; j++) {
      double u = y[j] / largest;
      norm += u * u;
      power_norm += pow(u, 2 * power);
    }
    double factor = largest * sqrt(norm) / sqrt(power_norm);
    for (size_t j = 0; j < cols; j++) y[j] = (float)(pow(y[j] / largest, power) * factor);
  }
}

static void softmax_ref(float *x, ptrdiff_t ldx, size_t rows, size_t cols, float scale) {
  for (size_t r = 0; r < rows; r++, x += ldx) {
    float largest = -INFINITY;
    double sum = 0;
    for (size_t j = 0; j < cols; j++) x[j] *= scale;
    for (size_t j = 0; j < cols; j++) largest = fmaxf(largest, x[j]);
    for (size_t j = 0; j < cols; j++) sum += (x[j] = expf(x[j] - largest));
    for (size_t j = 0; j < cols; j++) x[j] = (float)(x[j] / sum);
  }
}

static void column_sums_ref(const float *x, ptrdiff_t ldx, size_t rows, size_t cols, float *sums) {
  for (size_t j = 0; j < cols; j++) {
    double sum = 0;
    for (size_t r = 0; r < rows; r++) sum += x[(ptrdiff_t)r * ldx + (ptrdiff_t)j];
    sums[j] = (float)sum;
  }
}

static void divide_by_dot_ref(float *y, ptrdiff_t ldy, const float *q, ptrdiff_t ldq,
                              const float *k_mean, size_t rows, size_t cols, float eps) {
  for (size_t r = 0; r < rows; r++, y += ldy, q += ldq) {
    double dot = 0;
    for (size_t j = 0; j < cols; j++) dot += (double)q[j] * k_mean[j];
    for (size_t j = 0; j < cols; j++) y[j] *= 1 / ((float)dot + eps);
  }
}

static void depthwise_row_ref(const float *x, ptrdiff_t ldx, size_t height, size_t width,
                              size_t channels, size_t row, int kernel, const float *weight,
                              const float *bias, enum fk_activation activation,
                              const float *residual, float *out) {
  ptrdiff_t half = kernel / 2, h = (ptrdiff_t)height, w = (ptrdiff_t)width;
  ptrdiff_t n = (ptrdiff_t)channels;
  for (ptrdiff_t column = 0; column < w; column++) {
    for (ptrdiff_t c = 0; c < n; c++) {
      float sum = bias ? bias[c] : 0;
      for (ptrdiff_t i = 0; i < kernel; i++) {
        for (ptrdiff_t j = 0; j < kernel; j++) {
          ptrdiff_t sy = (ptrdiff_t)row + i - half, sx = column + j - half;
          if (sy < 0 || sy >= h || sx < 0 || sx >= w) continue;
          sum += x[(sy * w + sx) * ldx + c] * weight[(i * kernel + j) * n + c];
        }
      }
      sum = activate(sum, activation);
      out[column * n + c] = sum + (residual ? residual[column * n + c] : 0);
    }
  }
}

static void bilinear_row_ref(const float *upper, const float *lower, float wy0, float wy1,
                             const int32_t *x0, const int32_t *x1, const float *wx0,
                             const float *wx1, size_t pixels, size_t channels,
                             const float *base, float *out) {
  for (size_t p = 0; p < pixels; p++) {
    const size_t left = (size_t)x0[p] * channels, right = (size_t)x1[p] * channels;
    for (size_t c = 0; c < channels; c++) {
      const float value = wy0 * (wx0[p] * upper[left + c] + wx1[p] * upper[right + c]) +
                          wy1 * (wx0[p] * lower[left + c] + wx1[p] * lower[right + c]);
      out[p * channels + c] = base ? base[p * channels + c] + value : value;
    }
  }
}

static void mix_columns_ref(const float *row, size_t width, const int32_t *x0, const int32_t *x1,
                            const float *w0, const float *w1, size_t pixels, size_t channels,
                            float *out) {
  (void)width;
  for (size_t p = 0; p < pixels; p++) {
    for (size_t c = 0; c < channels; c++) {
      out[p * channels + c] = w0[p] * row[(size_t)x0[p] * channels + c] +
                              w1[p] * row[(size_t)x1[p] * channels + c];
    }
  }
}

static void mix_rows_ref(const float *upper, const float *lower, float a, float b, size_t count,
                         float *out) {
  for (size_t i = 0; i < count; i++) out[i] = a * upper[i] + b * lower[i];
}

static int all_finite_ref(const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(x[i])) return 0;
  }
  return 1;
}

static void argmax_ref(const float *x, size_t rows, size_t cols, uint16_t *index) {
  for (size_t r = 0; r < rows; r++, x += cols) {
    float best = -INFINITY;
    index[r] = 0;
    for (size_t j = 0; j < cols; j++) best = x[j] > best ? x[j] : best;
    for (size_t j = cols; j-- > 0;) {
      if (x[j] == best) index[r] = (uint16_t)j;
    }
  }
}

static void add_scaled_ref(float *y, const float *x, float a, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}

// Panels of one column: packed is b transposed.
static void gemm_pack_ref(const float *b, ptrdiff_t depth_stride, ptrdiff_t column_stride,
                          size_t depth, size_t columns, float *packed) {
  for (size_t j = 0; j < columns; j++) {
    for (size_t p = 0; p < depth; p++) {
      packed[j * depth + p] = b[(ptrdiff_t)p * depth_stride + (ptrdiff_t)j * column_stride];
    }
  }
}

static void gemm_ref(const float *a, ptrdiff_t row_stride, ptrdiff_t depth_stride, size_t rows,
                     size_t depth, const float *packed, float *c, ptrdiff_t ldc, size_t columns,
                     const struct fk_epilogue *epilogue) {
  for (size_t r = 0; r < rows; r++) {
    for (size_t j = 0; j < columns; j++) {
      double sum = 0;
      for (size_t p = 0; p < depth; p++) {
        sum += (double)a[(ptrdiff_t)r * row_stride + (ptrdiff_t)p * depth_stride] *
               packed[j * depth + p];
      }
      c[(ptrdiff_t)r * ldc + (ptrdiff_t)j] = (float)sum;
    }
  }
  if (epilogue) {
    epilogue_ref(c, ldc, rows, columns, epilogue->bias, epilogue->activation, epilogue->residual,
                 epilogue->ldr);
  }
}

// The matrices of F(4x4, 3x3) for the points 0, 1, -1, 1/2, -2 and infinity, and of F(4x4, 5x5) for 0, 1,
// -1, 2, -2, 1/2, -1/2 and infinity.
struct winograd_form {
  size_t window, side;
  double at[4][8], g[8][5], bt[8][8];
};

static const struct winograd_form winograd_3 = {
    .window = 3,
    .side = 6,
    .at = {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 0.5, -2, 0}, {0, 1, 1, 0.25, 4, 0}, {0, 1, -1, 0.125, -8, 1}},
    .g = {{1, 0, 0},
          {1 / 3.0, 1 / 3.0, 1 / 3.0},
          {-1 / 3.0, 1 / 3.0, -1 / 3.0},
          {-16 / 15.0, -8 / 15.0, -4 / 15.0},
          {1 / 15.0, -2 / 15.0, 4 / 15.0},
          {0, 0, 1}},
    .bt = {{1, -1.5, -2, 1.5, 1, 0},
           {0, -1, 0.5, 2.5, 1, 0},
           {0, 1, -2.5, 0.5, 1, 0},
           {0, -2, -1, 2, 1, 0},
           {0, 0.5, -1, -0.5, 1, 0},
           {0, 1, -1.5, -2, 1.5, 1}},
};

static const struct winograd_form winograd_5 = {
    .window = 5,
    .side = 8,
    .at = {{1, 1, 1, 1, 1, 1, 1, 0},
           {0, 1, -1, 2, -2, 0.5, -0.5, 0},
           {0, 1, 1, 4, 4, 0.25, 0.25, 0},
           {0, 1, -1, 8, -8, 0.125, -0.125, 1}},
    .g = {{1, 0, 0, 0, 0},
          {-2 / 9.0, -2 / 9.0, -2 / 9.0, -2 / 9.0, -2 / 9.0},
          {-2 / 9.0, 2 / 9.0, -2 / 9.0, 2 / 9.0, -2 / 9.0},
          {1 / 90.0, 2 / 90.0, 4 / 90.0, 8 / 90.0, 16 / 90.0},
          {1 / 90.0, -2 / 90.0, 4 / 90.0, -8 / 90.0, 16 / 90.0},
          {32 / 45.0, 16 / 45.0, 8 / 45.0, 4 / 45.0, 2 / 45.0},
          {32 / 45.0, -16 / 45.0, 8 / 45.0, -4 / 45.0, 2 / 45.0},
          {0, 0, 0, 0, 1}},
    .bt = {{1, 0, -5.25, 0, 5.25, 0, -1, 0},
           {0, 1, 1, -4.25, -4.25, 1, 1, 0},
           {0, -1, 1, 4.25, -4.25, -1, 1, 0},
           {0, 0.5, 0.25, -2.5, -1.25, 2, 1, 0},
           {0, -0.5, 0.25, 2.5, -1.25, -2, 1, 0},
           {0, 2, 4, -2.5, -5, 0.5, 1, 0},
           {0, -2, 4, 2.5, -5, -0.5, 1, 0},
           {0, -1, 0, 5.25, 0, -5.25, 0, 1}},
};

static const struct winograd_form *winograd_form(int window) {
  return window == 3 ? &winograd_3 : &winograd_5;
}

void fk_winograd_weights(int window, const float *g, float *u, size_t stride) {
  const struct winograd_form *f = winograd_form(window);
  double half[8][5];
  for (size_t i = 0; i < f->side; i++) {
    for (size_t j = 0; j < f->window; j++) {
      half[i][j] = 0;
      for (size_t a = 0; a < f->window; a++) half[i][j] += f->g[i][a] * g[a * f->window + j];
    }
  }
  for (size_t i = 0; i < f->side; i++) {
    for (size_t j = 0; j < f->side; j++) {
      double sum = 0;
      for (size_t b = 0; b < f->window; b++) sum += half[i][b] * f->g[j][b];
      u[(i * f->side + j) * stride] = (float)sum;
    }
  }
}

static void winograd_weights_ref(int window, const float *g, const float *scale, size_t lanes,
                                 float *u, size_t position_stride) {
  const size_t taps = (size_t)(window * window);
  for (size_t lane = 0; lane < lanes; lane++) {
    float scaled[25];
    for (size_t tap = 0; tap < taps; tap++) {
      scaled[tap] = g[tap * lanes + lane] * (scale ? scale[lane] : 1);
    }
    fk_winograd_weights(window, scaled, u + lane, position_stride);
  }
}

static float winograd_input_at(const struct winograd_form *f, const float *x, ptrdiff_t height,
                               ptrdiff_t width, size_t channels, ptrdiff_t top, ptrdiff_t left,
                               size_t position, size_t c) {
  double sum = 0;
  for (size_t i = 0; i < f->side; i++) {
    for (size_t j = 0; j < f->side; j++) {
      const ptrdiff_t sy = top + (ptrdiff_t)i, sx = left + (ptrdiff_t)j;
      if (sy < 0 || sy >= height || sx < 0 || sx >= width) continue;
      sum += f->bt[position / f->side][i] * f->bt[position % f->side][j] *
             x[(sy * width + sx) * (ptrdiff_t)channels + (ptrdiff_t)c];
    }
  }
  return (float)sum;
}

static void winograd_input_ref(int window, const float *x, ptrdiff_t height, ptrdiff_t width,
                               size_t channels, ptrdiff_t top, ptrdiff_t left, float *v,
                               size_t position_stride) {
  const struct winograd_form *f = winograd_form(window);
  for (size_t position = 0; position < f->side * f->side; position++) {
    for (size_t c = 0; c < channels; c++) {
      v[position * position_stride + c] =
          winograd_input_at(f, x, height, width, channels, top, left, position, c);
    }
  }
}

static void winograd_output_ref(int window, const float *m, size_t position_stride,
                                size_t channels, const float *bias, enum fk_activation activation,
                                float *y, size_t row_stride, size_t pixel_stride, size_t rows,
                                size_t columns) {
  const struct winograd_form *f = winograd_form(window);
  for (size_t c = 0; c < channels; c++) {
    for (size_t row = 0; row < rows; row++) {
      for (size_t column = 0; column < columns; column++) {
        double sum = bias ? bias[c] : 0;
        for (size_t position = 0; position < f->side * f->side; position++) {
          sum += f->at[row][position / f->side] * f->at[column][position % f->side] *
                 m[position * position_stride + c];
        }
        y[row * row_stride + column * pixel_stride + c] = activate((float)sum, activation);
      }
    }
  }
}

static uint16_t bf16_round(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x) return (uint16_t)(bits >> 16 | 0x40);
  const uint32_t rest = bits & 0xFFFF, up = rest > 0x8000 || (rest == 0x8000 && (bits >> 16) % 2);
  return (uint16_t)((bits >> 16) + up);
}

static float bf16_value(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void bf16_narrow_ref(const float *x, ptrdiff_t ldx, size_t rows, size_t cols, uint16_t *y,
                            ptrdiff_t ldy) {
  for (size_t r = 0; r < rows; r++, x += ldx, y += ldy) {
    for (size_t j = 0; j < cols; j++) y[j] = bf16_round(x[j]);
    if (cols % 2) y[cols] = 0;
  }
}

// Panels of one column, of an even depth.
static void bf16_pack_ref(const float *b, ptrdiff_t depth_stride, ptrdiff_t column_stride,
                          size_t depth, size_t columns, uint16_t *packed) {
  for (size_t j = 0; j < columns; j++) {
    for (size_t p = 0; p < depth; p++) {
      *packed++ = bf16_round(b[(ptrdiff_t)p * depth_stride + (ptrdiff_t)j * column_stride]);
    }
    if (depth % 2) *packed++ = 0;
  }
}

static void bf16_gemm_ref(const uint16_t *a, ptrdiff_t row_stride, size_t rows, size_t depth,
                          const uint16_t *packed, float *c, uint16_t *narrow, ptrdiff_t ldc,
                          size_t columns, const struct fk_epilogue *e) {
  for (size_t r = 0; r < rows; r++) {
    for (size_t j = 0; j < columns; j++) {
      double sum = 0;
      for (size_t p = 0; p < depth; p++) {
        sum += (double)bf16_value(a[(ptrdiff_t)r * row_stride + (ptrdiff_t)p]) *
               bf16_value(packed[j * (depth + depth % 2) + p]);
      }
      float value = (float)sum;
      if (e) {
        epilogue_ref(&value, 1, 1, 1, e->bias ? e->bias + j : NULL, e->activation,
                     e->residual ? e->residual + (ptrdiff_t)r * e->ldr + (ptrdiff_t)j : NULL, 1);
      }
      const ptrdiff_t place = (ptrdiff_t)r * ldc + (ptrdiff_t)j;
      if (narrow) {
        narrow[place] = bf16_round(value);
        if (columns % 2 && j + 1 == columns) narrow[place + 1] = 0;
      } else {
        c[place] = value;
      }
    }
  }
}

static void bf16_winograd_input_ref(int window, const float *x, ptrdiff_t height, ptrdiff_t width,
                                    size_t channels, ptrdiff_t top, ptrdiff_t left, uint16_t *v,
                                    size_t position_stride) {
  const struct winograd_form *f = winograd_form(window);
  for (size_t position = 0; position < f->side * f->side; position++) {
    for (size_t c = 0; c < channels; c++) {
      v[position * position_stride + c] =
          bf16_round(winograd_input_at(f, x, height, width, channels, top, left, position, c));
    }
  }
}

const struct fk_table fk_table_ref = {
    .isa = "ref",
    .epilogue = epilogue_ref,
    .layer_norm = layer_norm_ref,
    .focus = focus_ref,
    .softmax = softmax_ref,
    .column_sums = column_sums_ref,
    .divide_by_dot = divide_by_dot_ref,
    .depthwise_row = depthwise_row_ref,
    .bilinear_row = bilinear_row_ref,
    .mix_columns = mix_columns_ref,
    .mix_rows = mix_rows_ref,
    .argmax = argmax_ref,
    .all_finite = all_finite_ref,
    .add_scaled = add_scaled_ref,
    .gemm_panel = 1,
    .gemm_rows = 1,
    .gemm_pack = gemm_pack_ref,
    .gemm = gemm_ref,
    .winograd_weights = winograd_weights_ref,
    .winograd_input = winograd_input_ref,
    .winograd_output = winograd_output_ref,
    .bf16_narrow = bf16_narrow_ref,
    .bf16_pack = bf16_pack_ref,
    .bf16_gemm = bf16_gemm_ref,
    .bf16_winograd_input = bf16_winograd_input_ref,
};
