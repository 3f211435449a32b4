#include "quant/llm/scale_fit.h"

#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/llm/grid.h"
#include "tensor/float16.h"

namespace assay {
namespace {

// In units of a diagonal entry: keeps systems of groups whose steps nearly repeat each other solvable.
constexpr double kRidge = 1e-6;
constexpr float kLargestScale = 65504.0f;
constexpr float kSmallestScale = 0x1p-24f;

// What scales multiply: code - zero, [in, rows].
Matrix<float> steps_of(const QuantPanel& panel) {
  Matrix<float> steps(panel.cols(), panel.rows());
  for (std::int64_t col = 0; col < panel.cols(); ++col) {
    const float* zero = panel.zero.row(col / panel.columns_per_group);
    for (std::int64_t row = 0; row < panel.rows(); ++row) steps.at(col, row) = panel.code.at(col, row) - zero[row];
  }
  return steps;
}

// sums[row] = sum over columns [begin, end) of a * b.
void dot_columns(const Matrix<float>& a, const Matrix<float>& b, std::int64_t begin, std::int64_t end, std::vector<float>& sums) {
  std::fill(sums.begin(), sums.end(), 0.0f);
  for (auto col = begin; col < end; ++col) {
    const float* left = a.row(col);
    const float* right = b.row(col);
    for (std::size_t row = 0; row < sums.size(); ++row) sums[row] += left[row] * right[row];
  }
}

// A row's objective is s^T A s / 2 but for the rest: its normal matrix A = S^T H S and slope S^T H (Q - W)^T, by group.
struct RowSystems {
  std::vector<Matrix<double>> normal;  // [rows] of [groups, groups], lower triangle
  Matrix<double> slope;                // [rows, groups]
};

RowSystems build(const QuantPanel& panel, MatrixView<const float> h, const Matrix<float>& steps) {
  RowSystems systems{{}, Matrix<double>(panel.rows(), panel.num_groups())};
  for (std::int64_t row = 0; row < panel.rows(); ++row) systems.normal.emplace_back(panel.num_groups(), panel.num_groups());
  std::vector<float> sums(static_cast<std::size_t>(panel.rows()));
  for (std::int64_t group = 0; group < panel.num_groups(); ++group) {
    const auto begin = group * panel.columns_per_group;
    const auto end = panel.group_end(group);
    dot_columns(steps, panel.gradient, begin, end, sums);
    for (std::int64_t row = 0; row < panel.rows(); ++row) systems.slope.at(row, group) = sums[static_cast<std::size_t>(row)];
    // H times this group's steps, for the columns of this group and those before it.
    Matrix<float> product(end, panel.rows());
    add_product(h, begin, steps.view().rows_between(begin, end), product.view());
    for (std::int64_t other = 0; other <= group; ++other) {
      dot_columns(steps, product, other * panel.columns_per_group, panel.group_end(other), sums);
      for (std::int64_t row = 0; row < panel.rows(); ++row) {
        systems.normal[static_cast<std::size_t>(row)].at(group, other) = sums[static_cast<std::size_t>(row)];
      }
    }
  }
  return systems;
}

// The change of scales that solves the system; none where it cannot be solved.
std::vector<double> solve(const Matrix<double>& normal, const double* slope) {
  const auto n = normal.rows();
  Matrix<double> a = normal;
  std::vector<double> change(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    a.at(i, i) = a.at(i, i) > 0.0 ? a.at(i, i) * (1.0 + kRidge) : 1.0;
    change[static_cast<std::size_t>(i)] = normal.at(i, i) > 0.0 ? -slope[i] : 0.0;
  }
  // The lower triangle of a row-major matrix is the upper one of a column-major matrix.
  const auto size = static_cast<lapack_int>(n);
  if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', size, a.data(), size) != 0) return {};
  LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'U', size, 1, a.data(), size, change.data(), size);
  return change;
}

// What a change of scales adds to the row's objective.
double gain_of(const Matrix<double>& normal, const double* slope, const std::vector<double>& change) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < normal.rows(); ++i) {
    const double x = change[static_cast<std::size_t>(i)];
    sum += 2.0 * slope[i] * x + normal.at(i, i) * x * x;
    for (std::int64_t j = 0; j < i; ++j) sum += 2.0 * normal.at(i, j) * x * change[static_cast<std::size_t>(j)];
  }
  return sum;
}

}  // namespace

void fit_scales(QuantPanel& panel, MatrixView<const float> h) {
  const auto steps = steps_of(panel);
  const auto systems = build(panel, h, steps);
  Matrix<float> applied(panel.num_groups(), panel.rows());
  for (std::int64_t row = 0; row < panel.rows(); ++row) {
    const auto& normal = systems.normal[static_cast<std::size_t>(row)];
    auto change = solve(normal, systems.slope.row(row));
    if (change.empty()) continue;
    for (std::int64_t group = 0; group < panel.num_groups(); ++group) {
      double& x = change[static_cast<std::size_t>(group)];
      const float old = panel.scale.at(group, row);
      const auto wanted = static_cast<float>(old + x);
      const bool storable = wanted >= kSmallestScale && wanted < kLargestScale;
      x = storable ? static_cast<double>(to_float(to_float16(wanted))) - old : 0.0;
    }
    if (!(gain_of(normal, systems.slope.row(row), change) < 0.0)) continue;
    for (std::int64_t group = 0; group < panel.num_groups(); ++group) {
      applied.at(group, row) = static_cast<float>(change[static_cast<std::size_t>(group)]);
      panel.scale.at(group, row) += applied.at(group, row);
    }
  }
  Matrix<float> difference(panel.cols(), panel.rows());
  for (std::int64_t col = 0; col < panel.cols(); ++col) {
    const float* change = applied.row(col / panel.columns_per_group);
    for (std::int64_t row = 0; row < panel.rows(); ++row) difference.at(col, row) = change[row] * steps.at(col, row);
  }
  add_product(h, 0, difference.view(), panel.gradient.view());
}

}  // namespace assay
