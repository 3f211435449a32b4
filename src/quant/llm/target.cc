#include "quant/llm/target.h"

#include <cblas.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/check.h"
#include "quant/llm/blas.h"

namespace assay {
namespace {

constexpr std::int64_t kPanelRows = 96;
constexpr double kDampGrowth = 10.0;
constexpr double kMaxDamp = 1000.0;

// Calls body(first row, last row) for fixed panels of rows.
template <typename Body>
void for_each_panel(std::int64_t rows, ThreadPool& pool, Body body) {
  pool.parallel_for((rows + kPanelRows - 1) / kPanelRows, 1, [&](WorkRange range) {
    for (auto panel = range.begin; panel < range.end; ++panel) body(panel * kPanelRows, std::min((panel + 1) * kPanelRows, rows));
  });
}

double dot(const float* a, const float* b, std::int64_t count) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

struct Forms {
  double quadratic = 0;  // tr(A H A^T)
  double linear = 0;     // tr(A G^T)
};

Forms forms_of(MatrixView<const float> a, MatrixView<const float> hessian, MatrixView<const float> drift, ThreadPool& pool) {
  ASSAY_CHECK(hessian.rows == a.cols && hessian.cols == a.cols && drift.rows == a.rows && drift.cols == a.cols);
  std::vector<Forms> rows(static_cast<std::size_t>(a.rows));
  for_each_panel(a.rows, pool, [&](std::int64_t begin, std::int64_t end) {
    Matrix<float> product(end - begin, a.cols);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(end - begin), static_cast<int>(a.cols),
                static_cast<int>(a.cols), 1.0f, a.row(begin), static_cast<int>(a.stride), hessian.data,
                static_cast<int>(hessian.stride), 0.0f, product.data(), static_cast<int>(a.cols));
    for (auto row = begin; row < end; ++row) {
      rows[static_cast<std::size_t>(row)] = {dot(product.row(row - begin), a.row(row), a.cols), dot(a.row(row), drift.row(row), a.cols)};
    }
  });
  Forms sum;
  for (const auto& row : rows) {
    sum.quadratic += row.quadratic;
    sum.linear += row.linear;
  }
  return sum;
}

Matrix<double> damped(MatrixView<const float> hessian, double addend) {
  Matrix<double> a(hessian.rows, hessian.cols);
  for (std::int64_t row = 0; row < hessian.rows; ++row) {
    for (std::int64_t col = 0; col < hessian.cols; ++col) a.at(row, col) = hessian.at(row, col);
    a.at(row, row) += addend;
  }
  return a;
}

// The Cholesky factor of H + damping, with the least damping that is positive definite.
Result<Matrix<double>> factor_damped(MatrixView<const float> hessian, double damp) {
  double mean = 0.0;
  for (std::int64_t i = 0; i < hessian.rows; ++i) mean += hessian.at(i, i) / static_cast<double>(hessian.rows);
  const auto n = static_cast<lapack_int>(hessian.rows);
  if (mean > 0.0 && std::isfinite(mean)) {
    for (; damp <= kMaxDamp; damp *= kDampGrowth) {
      auto a = damped(hessian, damp * mean);
      if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', n, a.data(), n) == 0) return a;
    }
  }
  return Error{ErrorCode::kCorrupt, "Hessian with mean diagonal " + std::to_string(mean) +
                                        " is not positive definite with any damping; expected a sum of outer products"};
}

}  // namespace

Matrix<float> output_drift(MatrixView<const float> w, const LayerMoments& moments, ThreadPool& pool) {
  ASSAY_CHECK(moments.drift.rows() == w.cols && moments.drift.cols() == w.cols);
  Matrix<float> drift(w.rows, w.cols);
  if (moments.residual.rows() > 0) {
    ASSAY_CHECK(moments.residual.rows() == w.rows && moments.residual.cols() == w.cols);
    drift = moments.residual;
  }
  for_each_panel(w.rows, pool, [&](std::int64_t begin, std::int64_t end) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(end - begin), static_cast<int>(w.cols),
                static_cast<int>(w.cols), 1.0f, w.row(begin), static_cast<int>(w.stride), moments.drift.data(),
                static_cast<int>(w.cols), 1.0f, drift.row(begin), static_cast<int>(w.cols));
  });
  return drift;
}

Result<Matrix<float>> target_shift(MatrixView<const float> drift, MatrixView<const float> hessian, double damp, ThreadPool& pool) {
  ASSAY_CHECK(drift.cols == hessian.rows && hessian.rows == hessian.cols && blas_is_single_threaded());
  ASSAY_TRY(const Matrix<double> factor, factor_damped(hessian, damp));
  Matrix<float> shift(drift.rows, drift.cols);
  const auto n = static_cast<lapack_int>(hessian.rows);
  for_each_panel(drift.rows, pool, [&](std::int64_t begin, std::int64_t end) {
    Matrix<double> solution(end - begin, drift.cols);  // rows here are LAPACK's columns
    for (auto row = begin; row < end; ++row) std::copy_n(drift.row(row), drift.cols, solution.row(row - begin));
    LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'U', n, static_cast<lapack_int>(end - begin), factor.data(), n, solution.data(), n);
    for (auto row = begin; row < end; ++row) {
      for (std::int64_t col = 0; col < drift.cols; ++col) shift.at(row, col) = static_cast<float>(solution.at(row - begin, col));
    }
  });
  for (const float value : shift.values()) {
    if (!std::isfinite(value)) return Error{ErrorCode::kCorrupt, "the drift of a layer's inputs is not finite"};
  }
  return shift;
}

double drifted_error(MatrixView<const float> difference, MatrixView<const float> hessian, MatrixView<const float> drift,
                     ThreadPool& pool) {
  const Forms forms = forms_of(difference, hessian, drift, pool);
  return forms.quadratic + 2.0 * forms.linear;
}

double best_strength(MatrixView<const float> shift, MatrixView<const float> hessian, MatrixView<const float> drift, ThreadPool& pool) {
  const Forms forms = forms_of(shift, hessian, drift, pool);
  return forms.quadratic > 0.0 ? std::clamp(forms.linear / forms.quadratic, 0.0, 1.0) : 0.0;
}

}  // namespace assay
