#include "quant/llm/layer_error.h"

#include <cblas.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "quant/llm/blas.h"
#include "quant/llm/grid.h"

namespace assay {
namespace {

constexpr std::int64_t kPanelRows = 96;
constexpr std::int64_t kColumnBlock = 256;

double ratio(double numerator, double denominator) {
  return numerator == 0.0 && denominator == 0.0 ? 0.0 : numerator / denominator;
}

std::array<double, 2> sum_of(const std::vector<std::array<double, 2>>& terms) {
  std::array<double, 2> sum{};
  for (const auto& term : terms) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += term[i];
  }
  return sum;
}

double squared_norm(std::span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum;
}

// out = row `row` of W - Q, in the order of the inputs.
void row_difference(MatrixView<const float> w, const GroupQuantMatrix& q, std::span<const std::int32_t> column_order,
                    std::int64_t row, std::span<float> out) {
  std::vector<std::uint8_t> codes(out.size());
  q.get_row(row, codes);
  for (std::int64_t group = 0; group < q.num_groups(); ++group) {
    const float scale = to_float(q.scale(row, group));
    const auto zero = q.zero(row, group);
    const auto begin = static_cast<std::size_t>(group * q.group_size());
    const auto end = std::min(begin + static_cast<std::size_t>(q.group_size()), codes.size());
    for (std::size_t column = begin; column < end; ++column) {
      const auto input = column_order.empty() ? column : static_cast<std::size_t>(column_order[column]);
      out[input] = w.row(row)[input] - dequantize(codes[column], scale, zero);
    }
  }
}

void check_shapes(MatrixView<const float> w, const GroupQuantMatrix& q, std::span<const std::int32_t> column_order) {
  ASSAY_CHECK(w.rows == q.rows() && w.cols == q.cols());
  ASSAY_CHECK(column_order.empty() || static_cast<std::int64_t>(column_order.size()) == w.cols);
}

// Rows [0, end) of columns [begin, end) of 2 triu(H) - diag(H): x^T of that x = x^T H x for symmetric H.
Matrix<double> doubled_upper(MatrixView<const float> h, std::int64_t begin, std::int64_t end) {
  Matrix<double> block(end, end - begin);
  for (std::int64_t row = 0; row < end; ++row) {
    for (std::int64_t col = std::max(begin, row); col < end; ++col) {
      block.at(row, col - begin) = (col == row ? 1.0 : 2.0) * static_cast<double>(h.at(row, col));
    }
  }
  return block;
}

// sum over the rows of m of row * block * row[begin, end)^T
double panel_form(MatrixView<const float> m, const Matrix<double>& block) {
  const auto depth = block.rows();
  const auto width = block.cols();
  Matrix<double> left(m.rows, depth);
  for (std::int64_t row = 0; row < m.rows; ++row) std::copy_n(m.row(row), depth, left.row(row));
  Matrix<double> product(m.rows, width);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(m.rows), static_cast<int>(width),
              static_cast<int>(depth), 1.0, left.data(), static_cast<int>(depth), block.data(), static_cast<int>(width), 0.0,
              product.data(), static_cast<int>(width));
  double sum = 0.0;
  for (std::int64_t row = 0; row < m.rows; ++row) {
    for (std::int64_t col = 0; col < width; ++col) sum += product.at(row, col) * left.at(row, depth - width + col);
  }
  return sum;
}

// tr(M H M^T) of each matrix, both of one shape.
std::array<double, 2> quadratic_forms(const std::array<MatrixView<const float>, 2>& matrices, MatrixView<const float> h,
                                      ThreadPool& pool) {
  const auto rows = matrices[0].rows;
  const auto num_panels = (rows + kPanelRows - 1) / kPanelRows;
  std::array<double, 2> forms{};
  for (std::int64_t begin = 0; begin < h.cols; begin += kColumnBlock) {
    const auto block = doubled_upper(h, begin, std::min(begin + kColumnBlock, h.cols));
    std::vector<std::array<double, 2>> sums(static_cast<std::size_t>(num_panels));
    pool.parallel_for(num_panels, 1, [&](WorkRange range) {
      for (std::int64_t panel = range.begin; panel < range.end; ++panel) {
        for (std::size_t i = 0; i < matrices.size(); ++i) {
          const auto last = std::min((panel + 1) * kPanelRows, rows);
          sums[static_cast<std::size_t>(panel)][i] = panel_form(matrices[i].rows_between(panel * kPanelRows, last), block);
        }
      }
    });
    const auto sum = sum_of(sums);
    for (std::size_t i = 0; i < forms.size(); ++i) forms[i] += sum[i];
  }
  return forms;
}

}  // namespace

LayerError layer_error(MatrixView<const float> w, const GroupQuantMatrix& q, std::span<const std::int32_t> column_order,
                       MatrixView<const float> h, ThreadPool& pool) {
  check_shapes(w, q, column_order);
  ASSAY_CHECK(h.rows == w.cols && h.cols == w.cols && blas_is_single_threaded());
  const auto cols = static_cast<std::size_t>(w.cols);
  Matrix<float> d(w.rows, w.cols);
  std::vector<std::array<double, 2>> norms(static_cast<std::size_t>(w.rows));
  pool.parallel_for(w.rows, 1, [&](WorkRange range) {
    for (std::int64_t row = range.begin; row < range.end; ++row) {
      row_difference(w, q, column_order, row, {d.row(row), cols});
      norms[static_cast<std::size_t>(row)] = {squared_norm({d.row(row), cols}), squared_norm({w.row(row), cols})};
    }
  });
  const auto norm = sum_of(norms);
  const auto form = quadratic_forms({d.view(), w}, h, pool);
  return {std::sqrt(ratio(norm[0], norm[1])), ratio(form[0], form[1])};
}

double weight_error(MatrixView<const float> w, const GroupQuantMatrix& q, std::span<const std::int32_t> column_order) {
  check_shapes(w, q, column_order);
  std::vector<float> difference(static_cast<std::size_t>(w.cols));
  double error = 0.0;
  double norm = 0.0;
  for (std::int64_t row = 0; row < w.rows; ++row) {
    row_difference(w, q, column_order, row, difference);
    error += squared_norm(difference);
    norm += squared_norm({w.row(row), difference.size()});
  }
  return std::sqrt(ratio(error, norm));
}

}  // namespace assay
