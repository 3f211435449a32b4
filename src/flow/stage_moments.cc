#include "flow/stage_moments.h"

#include "base/check.h"

namespace assay {
namespace {

Matrix<float> difference(const Matrix<float>& a, const Matrix<float>& b) {
  Matrix<float> result(a.rows(), a.cols());
  for (std::int64_t i = 0; i < a.rows() * a.cols(); ++i) result.data()[i] = a.data()[i] - b.data()[i];
  return result;
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

void StageMoments::add(const BlockState& quantized, const BlockState& reference, ThreadPool& pool) {
  ASSAY_CHECK(drift_.has_value());
  gram_.add(quantized.inputs.view(), pool);
  drift_->add(difference(reference.inputs, quantized.inputs).view(), quantized.inputs.view(), pool);
  if (residual_) residual_->add(difference(reference.hidden, quantized.hidden).view(), quantized.inputs.view(), pool);
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
