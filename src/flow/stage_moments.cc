#include "flow/stage_moments.h"

#include <cmath>

#include "base/check.h"

namespace assay {
namespace {

Matrix<float> difference(const Matrix<float>& a, const Matrix<float>& b) {
  Matrix<float> result(a.rows(), a.cols());
  for (std::int64_t i = 0; i < a.rows() * a.cols(); ++i) result.data()[i] = a.data()[i] - b.data()[i];
  return result;
}

// Rows times the roots of their weights, since every moment is a product of two rows.
Matrix<float> weighted(Matrix<float> x, std::span<const float> weights) {
  if (weights.empty()) return x;
  for (std::int64_t row = 0; row < x.rows(); ++row) {
    const float factor = std::sqrt(weights[static_cast<std::size_t>(row)]);
    for (std::int64_t col = 0; col < x.cols(); ++col) x.at(row, col) *= factor;
  }
  return x;
}

}  // namespace

StageMoments::StageMoments(std::int64_t inputs, bool with_float_stream, std::optional<std::int64_t> residual_outputs) : gram_(inputs) {
  if (!with_float_stream) return;
  drift_.emplace(inputs, inputs);
  if (residual_outputs) residual_.emplace(*residual_outputs, inputs);
}

void StageMoments::add(const BlockState& quantized, ThreadPool& pool) {
  ASSAY_CHECK(!drift_);
  gram_.add(quantized.inputs.view(), pool);
}

void StageMoments::add(const BlockState& quantized, const BlockState& reference, std::span<const float> weights, ThreadPool& pool) {
  ASSAY_CHECK(drift_.has_value() && (weights.empty() || static_cast<std::int64_t>(weights.size()) == quantized.inputs.rows()));
  const auto inputs = weighted(quantized.inputs, weights);
  gram_.add(inputs.view(), pool);
  drift_->add(weighted(difference(reference.inputs, quantized.inputs), weights).view(), inputs.view(), pool);
  if (residual_) residual_->add(weighted(difference(reference.hidden, quantized.hidden), weights).view(), inputs.view(), pool);
}

Result<LayerMoments> StageMoments::moments() const {
  LayerMoments moments;
  ASSAY_TRY(moments.hessian, gram_.hessian());
  if (drift_) {
    ASSAY_TRY(moments.drift, drift_->moment());
  }
  if (residual_) {
    ASSAY_TRY(moments.residual, residual_->moment());
  }
  return moments;
}

}  // namespace assay
