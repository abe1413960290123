// The definition of every kernel: obvious loops, the fallback and the tests' judge.
#include <math.h>

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
                      size_t cols, const float *scale, int power) {
  for (size_t r = 0; r < rows; r++, x += ldx, y += cols) {
    double largest = 0, norm = 0, power_norm = 0;
    for (size_t j = 0; j < cols; j++) {
      float sum = x[j] + (add ? add[r * cols + j] : 0);
      y[j] = ((sum < 0 ? 0 : sum) + 1e-6f) / scale[j];
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
                             const float *wx1, size_t pixels, size_t channels, float *out) {
  for (size_t p = 0; p < pixels; p++) {
    const size_t left = (size_t)x0[p] * channels, right = (size_t)x1[p] * channels;
    for (size_t c = 0; c < channels; c++) {
      out[p * channels + c] =
          wy0 * (wx0[p] * upper[left + c] + wx1[p] * upper[right + c]) +
          wy1 * (wx0[p] * lower[left + c] + wx1[p] * lower[right + c]);
    }
  }
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
    .argmax = argmax_ref,
    .add_scaled = add_scaled_ref,
};
