// Winograd's convolution F(4x4, k x k) for windows of k = 3 and k = 5 (arXiv 1509.09308).
//
// A tile Y of 4x4 pixels comes from a patch d of n x n pixels, n = k + 3, and a window g of k x k
// weights:
//
//   Y = A^T [ (G g G^T) o (B^T d B) ] A        o: the product element by element
//
//   A^T [4, n]    G [n, k]    B^T [n, n]
//
// With many channels the brackets are summed over the input channels before A is applied, a product
// of matrices at each of the n^2 positions: 36 multiplications instead of 144 for a tile and a 3x3
// window, 64 instead of 400 for 5x5.
//
// The matrices follow from n - 1 points p_0, p_1, ... and infinity, which has the last place. With
// f_i = the product of (p_i - p_j) over all j but i:
//
//   A^T[e][i] = p_i^e            at infinity 0, but 1 for the highest power, e = 3
//   G[i][e]   = p_i^e / f_i      at infinity 0, but 1 for the highest power, e = k - 1
//   B^T[i][e] = the coefficient of x^e in the product of (x - p_j) over all j but i,
//               at infinity over all j
//
// The points decide how much is lost to rounding:
//
//   3x3   0, 1, -1, 1/2, -2               3.6e-6 of the largest output for 256 channels, against
//                                         double precision; a third of the usual 0, 1, -1, 2, -2
//   5x5   0, 1, -1, 2, -2, 1/2, -1/2      3.8e-6, the least of all symmetric choices tried
//
// A 5x5 window is a pair of 3x3 convolutions with nothing between them. For windows g1 and then g2,
// summed over the channels m between both:
//
//   g[out][in][i] = sum_m sum_a g2[out][m][a] g1[m][in][i - a]        a and i count along both axes
#pragma once

#include <stddef.h>

// Sides of a patch, and of a window, at most.
#define WINOGRAD_SIDE 8
#define WINOGRAD_WINDOW 5

struct winograd_form {
  size_t window, side;  // k and n
  double at[4][WINOGRAD_SIDE], g[WINOGRAD_SIDE][WINOGRAD_WINDOW], bt[WINOGRAD_SIDE][WINOGRAD_SIDE];
};

static const struct winograd_form winograd_3 = {
    .window = 3,
    .side = 6,
    .at = {{1, 1, 1, 1, 1, 0},
           {0, 1, -1, 0.5, -2, 0},
           {0, 1, 1, 0.25, 4, 0},
           {0, 1, -1, 0.125, -8, 1}},
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

// f_0 is -1: row 0 of G and row 0 of B^T have both changed their signs, which cancels.
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
