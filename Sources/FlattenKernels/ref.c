// The definition of every kernel: obvious loops in plain C, the fallback for any CPU and the judge
// of the others in tests. Nothing that computes is shared with them; the numbers of Winograd's
// matrices are, and a test holds those against the convolution itself.
#include <math.h>
#include <string.h>

#include "tables.h"

#define TABLE fk_table_ref
#define ISA "ref"
#define PANEL 1
#define TILE_ROWS 1

// Each may use what stands before it.
#include "activation_ref.inc"

#include "operators/epilogue_ref.inc"
#include "operators/layer_norm_ref.inc"
#include "operators/focus_ref.inc"
#include "operators/softmax_ref.inc"
#include "operators/softmax_columns_ref.inc"
#include "operators/column_sums_ref.inc"
#include "operators/divide_by_dot_ref.inc"
#include "operators/clamp_magnitude_ref.inc"
#include "operators/activate_rows_ref.inc"
#include "operators/unit_rows_ref.inc"
#include "operators/rotate_row_ref.inc"
#include "operators/multiply_rows_ref.inc"
#include "operators/dot_heads_ref.inc"
#include "operators/column_maxima_ref.inc"
#include "operators/exp_columns_ref.inc"
#include "operators/reflect_rows_ref.inc"
#include "operators/exp_features_ref.inc"
#include "operators/depthwise_row_ref.inc"
#include "operators/bilinear_ref.inc"
#include "operators/cubic_ref.inc"
#include "operators/roi_align_ref.inc"
#include "operators/find_above_ref.inc"
#include "operators/argmax_ref.inc"
#include "operators/all_finite_ref.inc"
#include "operators/add_scaled_ref.inc"

#include "operators/f32_gemm_ref.inc"
#include "operators/bf16_narrow_ref.inc"
#include "operators/bf16_gemm_ref.inc"

#include "operators/winograd_ref.inc"
#include "operators/winograd_weights_ref.inc"

#include "table.inc"
