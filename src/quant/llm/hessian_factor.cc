// H -> U with U^T U = (H + damping)^-1, by one Cholesky factorization of the reversed matrix and one triangular inverse: with
// J the reversal and J H J = L L^T, H = (J L J)(J L J)^T, whose factor is upper triangular, so U = J L^-1 J. That is a third
// of the work of factor, invert, factor again, and never forms an inverse whose rounding could stop it being positive definite.
// In float64: at usual damping float32 gives the same output error within 0.1 %, but H that is singular but for a small damping
// could fail for its rounding alone, and the whole of it is a tenth of a second for a block of 576 x 3 and 1536 inputs.
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>

#include "base/check.h"
#include "quant/llm/blas.h"
#include "quant/llm/gptq.h"
#include "quant/llm/validate.h"

namespace assay {
namespace {

constexpr double kDampGrowth = 10.0;
constexpr double kMaxDamp = 1000.0;

std::vector<std::int32_t> by_descending(const std::vector<float>& key, std::vector<std::int32_t> items) {
  std::stable_sort(items.begin(), items.end(),
                   [&](auto a, auto b) { return key[static_cast<std::size_t>(a)] > key[static_cast<std::size_t>(b)]; });
  return items;
}

// Groups by their largest diagonal value, columns within each by theirs.
std::vector<std::int32_t> group_aware_order(const std::vector<float>& diagonal, std::int64_t columns_per_group) {
  std::vector<std::vector<std::int32_t>> groups;
  const auto cols = static_cast<std::int64_t>(diagonal.size());
  for (std::int64_t begin = 0; begin < cols; begin += columns_per_group) {
    std::vector<std::int32_t> members(static_cast<std::size_t>(std::min(columns_per_group, cols - begin)));
    std::iota(members.begin(), members.end(), static_cast<std::int32_t>(begin));
    groups.push_back(by_descending(diagonal, std::move(members)));
  }
  const auto largest = [&](const std::vector<std::int32_t>& group) { return diagonal[static_cast<std::size_t>(group.front())]; };
  std::stable_sort(groups.begin(), groups.end(), [&](const auto& a, const auto& b) { return largest(a) > largest(b); });
  std::vector<std::int32_t> order;
  for (const auto& group : groups) order.insert(order.end(), group.begin(), group.end());
  return order;
}

std::vector<std::int32_t> column_order(const std::vector<float>& diagonal, ColumnOrder ordering, std::int64_t columns_per_group) {
  if (ordering == ColumnOrder::kGroupAware) return group_aware_order(diagonal, columns_per_group);
  std::vector<std::int32_t> order(diagonal.size());
  std::iota(order.begin(), order.end(), 0);
  return ordering == ColumnOrder::kActivation ? by_descending(diagonal, std::move(order)) : order;
}

// J (H / mean + damp I) J as the lower triangle of a row-major matrix, positions in `order`, dead columns as unit vectors.
Matrix<double> reversed_damped(const HessianFactor& factor, double mean, double damp) {
  const auto dim = factor.h.rows;
  Matrix<double> a(dim, dim);
  for (std::int64_t row = 0; row < dim; ++row) {
    const auto i = factor.order[static_cast<std::size_t>(dim - 1 - row)];
    if (factor.diagonal[static_cast<std::size_t>(i)] == 0.0f) {
      a.at(row, row) = 1.0 + damp;
      continue;
    }
    for (std::int64_t col = 0; col <= row; ++col) {
      const auto j = factor.order[static_cast<std::size_t>(dim - 1 - col)];
      if (factor.diagonal[static_cast<std::size_t>(j)] == 0.0f) continue;
      a.at(row, col) = static_cast<double>(factor.h.at(std::min(i, j), std::max(i, j))) / mean;
    }
    a.at(row, row) += damp;
  }
  return a;
}

// U, or nothing where the damped matrix is not positive definite.
std::optional<Matrix<float>> inverse_factor(Matrix<double> a) {
  const auto dim = a.rows();
  const auto n = static_cast<lapack_int>(dim);
  // The lower triangle of a row-major matrix is the upper one of a column-major matrix, which LAPACK takes without a copy.
  if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', n, a.data(), n) != 0) return std::nullopt;
  if (LAPACKE_dtrtri_work(LAPACK_COL_MAJOR, 'U', 'N', n, a.data(), n) != 0) return std::nullopt;
  Matrix<float> upper(dim, dim);
  for (std::int64_t row = 0; row < dim; ++row) {
    for (std::int64_t col = row; col < dim; ++col) {
      upper.at(row, col) = static_cast<float>(a.at(dim - 1 - row, dim - 1 - col));
      if (!std::isfinite(upper.at(row, col))) return std::nullopt;
    }
    if (!(upper.at(row, row) > 0.0f)) return std::nullopt;
  }
  return upper;
}

Status check_hessian(MatrixView<const float> h) {
  for (std::int64_t row = 0; row < h.rows; ++row) {
    const float* begin = h.row(row);
    const float* bad = std::find_if(begin + row, begin + h.cols, [](float value) { return !std::isfinite(value); });
    if (bad != begin + h.cols) return not_finite("Hessian", row, bad - begin, *bad);
    if (h.at(row, row) < 0.0f) {
      return Error{ErrorCode::kCorrupt, "Hessian[" + std::to_string(row) + ", " + std::to_string(row) + "] is " +
                                            std::to_string(h.at(row, row)) + ", expected a sum of squares"};
    }
  }
  return {};
}

}  // namespace

Result<HessianFactor> prepare_hessian(MatrixView<const float> h, const GptqOptions& options) {
  ASSAY_CHECK(h.rows == h.cols && h.rows >= 1 && blas_is_single_threaded());
  ASSAY_RETURN_IF_ERROR(check_gptq_options(options));
  ASSAY_RETURN_IF_ERROR(check_hessian(h));
  HessianFactor factor;
  factor.h = h;
  double trace = 0.0;
  for (std::int64_t i = 0; i < h.rows; ++i) {
    factor.diagonal.push_back(h.at(i, i));
    trace += h.at(i, i);
    if (h.at(i, i) == 0.0f) factor.dead.push_back(static_cast<std::int32_t>(i));
  }
  if (trace == 0.0) {
    return Error{ErrorCode::kInvalidArgument, "Hessian is 0 everywhere: every calibration input of this layer was 0"};
  }
  const double mean = trace / static_cast<double>(factor.diagonal.size() - factor.dead.size());
  factor.ordering = options.order;
  factor.columns_per_group = group_columns(options.group_size, h.cols);
  factor.order = column_order(factor.diagonal, factor.ordering, factor.columns_per_group);
  for (double damp = options.damp; damp <= kMaxDamp; damp *= kDampGrowth, ++factor.damp_retries) {
    auto upper = inverse_factor(reversed_damped(factor, mean, damp));
    if (!upper.has_value()) continue;
    factor.upper = *std::move(upper);
    factor.damp_used = damp;
    return factor;
  }
  return Error{ErrorCode::kCorrupt, "Hessian is not positive definite even with " + std::to_string(kMaxDamp) +
                                        " times its mean diagonal added; expected a sum of outer products"};
}

}  // namespace assay
