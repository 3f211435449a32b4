#include "quant/llm/quant_panel.h"

#include <cblas.h>

#include <algorithm>

#include "base/check.h"

namespace assay {

std::int64_t QuantPanel::group_end(std::int64_t group) const { return std::min((group + 1) * columns_per_group, cols()); }

QuantPanel load_panel(MatrixView<const float> target, const GroupQuantMatrix& matrix, std::int64_t first_row, const GridOptions& grid,
                      MatrixView<const float> h) {
  ASSAY_CHECK(target.cols == matrix.cols() && h.rows == target.cols && h.cols == target.cols);
  const auto rows = target.rows;
  QuantPanel panel;
  panel.bits = matrix.bits();
  panel.lowest_zero = grid.sym ? 1 << (panel.bits - 1) : grid.min_zero;
  panel.highest_zero = grid.sym ? panel.lowest_zero : (1 << panel.bits) - 1;
  panel.columns_per_group = matrix.group_size();
  panel.target = Matrix<float>(target.cols, rows);
  panel.code = Matrix<float>(target.cols, rows);
  panel.scale = Matrix<float>(matrix.num_groups(), rows);
  panel.zero = Matrix<float>(matrix.num_groups(), rows);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(target.cols));
  for (std::int64_t row = 0; row < rows; ++row) {
    matrix.get_row(first_row + row, codes);
    for (std::int64_t col = 0; col < target.cols; ++col) {
      panel.target.at(col, row) = target.at(row, col);
      panel.code.at(col, row) = codes[static_cast<std::size_t>(col)];
    }
    for (std::int64_t group = 0; group < matrix.num_groups(); ++group) {
      panel.scale.at(group, row) = to_float(matrix.scale(first_row + row, group));
      panel.zero.at(group, row) = matrix.zero(first_row + row, group);
    }
  }
  compute_gradient(panel, h);
  return panel;
}

void store_panel(const QuantPanel& panel, std::int64_t first_row, GroupQuantMatrix& matrix) {
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(panel.cols()));
  for (std::int64_t row = 0; row < panel.rows(); ++row) {
    for (std::int64_t col = 0; col < panel.cols(); ++col) {
      codes[static_cast<std::size_t>(col)] = static_cast<std::uint8_t>(panel.code.at(col, row));
    }
    matrix.set_row(first_row + row, codes);
    for (std::int64_t group = 0; group < panel.num_groups(); ++group) {
      matrix.scale(first_row + row, group) = to_float16(panel.scale.at(group, row));
      matrix.zero(first_row + row, group) = static_cast<std::uint8_t>(panel.zero.at(group, row));
    }
  }
}

void compute_gradient(QuantPanel& panel, MatrixView<const float> h) {
  Matrix<float> difference(panel.cols(), panel.rows());
  for (std::int64_t col = 0; col < panel.cols(); ++col) {
    const float* scale = panel.scale.row(col / panel.columns_per_group);
    const float* zero = panel.zero.row(col / panel.columns_per_group);
    for (std::int64_t row = 0; row < panel.rows(); ++row) {
      difference.at(col, row) = scale[row] * (panel.code.at(col, row) - zero[row]) - panel.target.at(col, row);
    }
  }
  panel.gradient = Matrix<float>(panel.cols(), panel.rows());
  add_product(h, 0, difference.view(), panel.gradient.view());
}

std::vector<double> row_objectives(const QuantPanel& panel) {
  std::vector<double> objectives(static_cast<std::size_t>(panel.rows()));
  for (std::int64_t col = 0; col < panel.cols(); ++col) {
    const float* scale = panel.scale.row(col / panel.columns_per_group);
    const float* zero = panel.zero.row(col / panel.columns_per_group);
    for (std::int64_t row = 0; row < panel.rows(); ++row) {
      const float difference = scale[row] * (panel.code.at(col, row) - zero[row]) - panel.target.at(col, row);
      objectives[static_cast<std::size_t>(row)] += static_cast<double>(difference) * panel.gradient.at(col, row);
    }
  }
  return objectives;
}

void add_product(MatrixView<const float> h, std::int64_t begin, MatrixView<const float> delta, MatrixView<float> out) {
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(out.rows), static_cast<int>(delta.cols),
              static_cast<int>(delta.rows), 1.0f, h.row(begin), static_cast<int>(h.stride), delta.data,
              static_cast<int>(delta.stride), 1.0f, out.data, static_cast<int>(out.stride));
}

}  // namespace assay
