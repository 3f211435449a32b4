// Some rows of a rounded matrix while codes, scales and zeros are improved, each in turn, against tr((Q - W) H (Q - W)^T).
#pragma once
#include <cstdint>
#include <vector>

#include "quant/llm/grid.h"
#include "tensor/group_quant.h"
#include "tensor/matrix.h"

namespace assay {

// Transposed: values of one column lie side by side, so that work on a column runs over rows. Groups are runs of
// `columns_per_group` columns. The steps (coordinate_descent.h, group_refit.h, scale_fit.h) keep `gradient` what it says and
// never let the objective of a row grow, but for float32's rounding.
struct QuantPanel {
  int bits = 0;
  int lowest_zero = 0;                // zero points that a step may choose
  int highest_zero = 0;
  std::int64_t columns_per_group = 0;
  Matrix<float> target;               // [in, rows]
  Matrix<float> code;                 // [in, rows], whole numbers
  Matrix<float> scale;                // [groups, rows], float16 values
  Matrix<float> zero;                 // [groups, rows], whole numbers
  Matrix<float> gradient;             // [in, rows]: H (Q - W)^T, half the derivative

  std::int64_t rows() const { return code.cols(); }
  std::int64_t cols() const { return code.rows(); }
  std::int64_t num_groups() const { return scale.rows(); }
  std::int64_t group_end(std::int64_t group) const;
};

// Rows [first_row, first_row + target.rows) of `matrix`, which stand for `target`. Steps may choose the zeros that `grid` allows.
// REQUIRES: column j of `matrix` is column j of `target`; h [in, in] symmetric and positive semidefinite, for this and all steps.
QuantPanel load_panel(MatrixView<const float> target, const GroupQuantMatrix& matrix, std::int64_t first_row, const GridOptions& grid,
                      MatrixView<const float> h);

// Writes codes, scales and zeros back.
void store_panel(const QuantPanel& panel, std::int64_t first_row, GroupQuantMatrix& matrix);

// Anew from codes, scales and zeros.
void compute_gradient(QuantPanel& panel, MatrixView<const float> h);

// (Q - W) H (Q - W)^T of each row, from the gradient, in float64.
std::vector<double> row_objectives(const QuantPanel& panel);

// out[c, row] += sum over columns j in [begin, begin + delta.rows) of h[j, c] delta[j - begin, row], for c in [0, out.rows).
void add_product(MatrixView<const float> h, std::int64_t begin, MatrixView<const float> delta, MatrixView<float> out);

}  // namespace assay
