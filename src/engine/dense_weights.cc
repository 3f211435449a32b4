#include "engine/dense_weights.h"

#include <cstring>
#include <memory>
#include <utility>

namespace assay {

DenseWeights::DenseWeights(Linear& linear)
    : linear_(&linear),
      values_(static_cast<std::size_t>(linear.weight.rows * linear.weight.cols)),
      bias_(linear.bias) {}

Status DenseWeights::check(const Linear& linear) {
  if (linear.weight.is_dense() && linear.column_order.empty()) return {};
  return Error{ErrorCode::kUnsupported,
               linear.name + ": is quantized already; start from the original checkpoint"};
}

Result<DenseWeights> DenseWeights::of(Linear& linear, const KernelTable& table) {
  ASSAY_RETURN_IF_ERROR(check(linear));
  DenseWeights weights(linear);
  for (std::int64_t r = 0; r < linear.weight.rows; ++r)
    dequantize_row(table, linear.weight, r, {weights.row(r), static_cast<std::size_t>(linear.weight.cols)});
  return weights;
}

void DenseWeights::scale_columns(std::span<const float> scale) {
  for (std::int64_t r = 0; r < rows(); ++r) {
    float* values = row(r);
    for (std::size_t c = 0; c < scale.size(); ++c) values[c] *= scale[c];
  }
}

void DenseWeights::store() {
  auto bytes = std::make_shared<std::vector<std::byte>>(values_.size() * sizeof(float));
  std::memcpy(bytes->data(), values_.data(), bytes->size());
  WeightView view;
  view.rows = rows();
  view.cols = cols();
  view.data = bytes->data();
  view.row_bytes = cols() * static_cast<std::int64_t>(sizeof(float));
  view.dtype = DType::kF32;
  linear_->weight = view;
  linear_->copied = std::move(bytes);
  linear_->packed.reset();
  linear_->bias = std::move(bias_);
}

}  // namespace assay
