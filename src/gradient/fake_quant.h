// A linear layer's weights as they will be once quantized, with gradients for what decides that: latent
// weights, scales and zero points. Straight-through estimators as in LSQ (arXiv:1902.08153) and EfficientQAT
// (arXiv:2407.11062).
#pragma once
#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/group_quant.h"
#include "tensor/matrix.h"

namespace assay {

// What is trained, in units of the scales that training starts from, so that one learning rate fits every
// layer. Columns stand in the order of the quantized matrix. Also holds gradients with respect to these.
struct QuantParameters {
  Matrix<float> latent;  // [rows, cols]: weight / start scale of its group
  Matrix<float> scales;  // [rows, groups]: scale / start scale
  Matrix<float> zeros;   // [rows, groups]: of codes, not yet rounded
};

// Where training starts, and how parameters become a matrix. Immutable, safe concurrently.
class FakeQuant {
 public:
  // `start` gives bits, groups, start scales and codes; `order` its column order (engine's
  // Linear::column_order). `parameters` become such that export_matrix() gives `start` again (where scales
  // are normal float16 numbers), latent weights being as near to `weight` (in the layer's order) as that
  // allows.
  static FakeQuant create(const GroupQuantMatrix& start, std::vector<std::int32_t> order,
                          MatrixView<const float> weight, QuantParameters& parameters);

  int bits() const { return bits_; }

  // weights (in the layer's order of inputs) = s (clamp(round(latent / s) + z, 0, 2^bits - 1) - z), s rounded
  // to float16 and z to an integer code: exactly what the exported matrix dequantizes to.
  void simulate(const QuantParameters& parameters, MatrixView<float> weights, ThreadPool& pool) const;

  // Adds to `gradients` what dweights (the gradient with respect to simulate()'s result) gives: rounding
  // passes gradients on as they are, a clamped weight none to itself.
  void gradient(const QuantParameters& parameters, MatrixView<const float> dweights,
                QuantParameters& gradients, ThreadPool& pool) const;

  GroupQuantMatrix export_matrix(const QuantParameters& parameters) const;

 private:
  FakeQuant(const GroupQuantMatrix& start, std::vector<std::int32_t> order);
  struct Group {
    float scale, inverse, start_scale, zero;
  };
  Group group_of(const QuantParameters& parameters, std::int64_t r, std::int64_t g) const;
  std::int64_t source(std::int64_t c) const {
    return order_.empty() ? c : order_[static_cast<std::size_t>(c)];
  }

  int bits_;
  std::int64_t group_size_;
  std::vector<std::int32_t> order_;
  Matrix<float> start_scales_;  // [rows, groups]
};

QuantParameters zeros_like(const QuantParameters& parameters);

}  // namespace assay
