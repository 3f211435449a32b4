#include "quant/llm/coordinate_descent.h"

#include <algorithm>

#include "quant/llm/grid.h"

namespace assay {
namespace {

// Columns whose changes reach each other through plain loops; all others get them in one product.
constexpr std::int64_t kBlockColumns = 64;

// Codes of one column to their best values; change = what that adds to the values. Returns how many changed.
std::int64_t step_column(const float* scale, float max_code, float curvature, const float* gradient, std::int64_t rows,
                         float* code, float* change) {
  const float inverse = 1.0f / curvature;
  float changed = 0.0f;
  for (std::int64_t row = 0; row < rows; ++row) {
    float wanted = code[row] - gradient[row] * inverse / scale[row];
    wanted = wanted > 0.0f ? wanted : 0.0f;
    wanted = wanted < max_code ? wanted : max_code;
    const float best = round_to_integer(wanted);
    const float step = best - code[row];
    change[row] = scale[row] * step;
    changed += step != 0.0f ? 1.0f : 0.0f;
    code[row] = best;
  }
  return static_cast<std::int64_t>(changed);
}

void add_scaled(const float* x, float factor, std::int64_t count, float* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] += factor * x[i];
}

}  // namespace

std::int64_t descend(QuantPanel& panel, MatrixView<const float> h) {
  const auto max_code = static_cast<float>((1 << panel.bits) - 1);
  const auto rows = panel.rows();
  std::int64_t total = 0;
  for (std::int64_t begin = 0; begin < panel.cols(); begin += kBlockColumns) {
    const auto end = std::min(begin + kBlockColumns, panel.cols());
    Matrix<float> slope(end - begin, rows);  // the block's gradient, with the changes inside of the block
    std::copy_n(panel.gradient.row(begin), (end - begin) * rows, slope.data());
    Matrix<float> change(end - begin, rows);
    std::int64_t changed = 0;
    for (auto col = begin; col < end; ++col) {
      const float curvature = h.at(col, col);
      if (!(curvature > 0.0f)) continue;
      const auto group = col / panel.columns_per_group;
      const auto moved = step_column(panel.scale.row(group), max_code, curvature, slope.row(col - begin), rows,
                                     panel.code.row(col), change.row(col - begin));
      if (moved == 0) continue;
      changed += moved;
      for (auto later = col + 1; later < end; ++later) add_scaled(change.row(col - begin), h.at(col, later), rows, slope.row(later - begin));
    }
    if (changed > 0) add_product(h, begin, change.view(), panel.gradient.view());
    total += changed;
  }
  return total;
}

void descend_in_group(MatrixView<const float> h, std::int64_t begin, const float* scale, int bits,
                      MatrixView<float> code, MatrixView<float> gradient, MatrixView<float> delta) {
  const auto max_code = static_cast<float>((1 << bits) - 1);
  const auto rows = code.cols;
  std::vector<float> change(static_cast<std::size_t>(rows));
  for (std::int64_t col = 0; col < code.rows; ++col) {
    const float* influence = h.row(begin + col) + begin;
    if (!(influence[col] > 0.0f)) continue;
    if (step_column(scale, max_code, influence[col], gradient.row(col), rows, code.row(col), change.data()) == 0) continue;
    for (std::int64_t other = 0; other < code.rows; ++other) add_scaled(change.data(), influence[other], rows, gradient.row(other));
    add_scaled(change.data(), 1.0f, rows, delta.row(col));
  }
}

}  // namespace assay
