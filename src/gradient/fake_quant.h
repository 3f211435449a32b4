// A linear layer's weights as they will be once quantized, with gradients for what decides that: latent
// weights, scales and zero points, row by row. Rounding passes gradients on as they are (straight-through,
// arXiv:1308.3432). Latent weights are in units of their scale as it is now, so a scale that moves takes its
// weights along, and codes change for no other reason than their own gradients. (In LSQ, arXiv:1902.08153,
// weights stay where they are while scales move: there a scale whose codes do not change learns next to
// nothing of what it does.)
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/group_quant.h"
#include "tensor/matrix.h"

namespace assay {

// What is trained, in units that let one learning rate fit every layer. Columns stand in the order of the
// quantized matrix.
struct QuantParameters {
  Matrix<float> latent;  // [rows, cols]: weight / scale of its group
  Matrix<float> scales;  // [rows, groups]: scale / start scale
  Matrix<float> zeros;   // [rows, groups]: of codes, not yet rounded
};

// Gradients with respect to one row of QuantParameters.
struct QuantRowGradient {
  std::vector<float> latent, scales, zeros;
};

// Where latent weights start: as near to weights of the float model as the codes allow, for training; or in
// the middle of the codes' cells, where codes are to be kept.
enum class LatentStart { kWeights, kCodes };

// Where training starts, and how parameters become a matrix. Immutable, safe concurrently.
class FakeQuant {
 public:
  // `start` gives bits, groups, start scales and codes; `order` its column order (engine's
  // Linear::column_order). `parameters` become such that export_matrix() gives `start` again (where scales
  // are normal float16 numbers). `weight` is in the layer's order.
  static FakeQuant create(const GroupQuantMatrix& start, std::vector<std::int32_t> order,
                          MatrixView<const float> weight, LatentStart latent_start,
                          QuantParameters& parameters);

  // Row r of the weights (in the layer's order of inputs) = s (clamp(round(latent) + z, 0, 2^bits - 1) - z),
  // s rounded to float16 and z to an integer code: exactly what the exported matrix dequantizes to.
  void simulate(const QuantParameters& parameters, std::int64_t r, std::span<float> weights) const;

  // What dweights (the gradient with respect to simulate()'s result) gives: rounding passes gradients on as
  // they are, a clamped weight none to itself. Whatever `gradient` held is replaced; it also keeps the
  // memory.
  void gradient(const QuantParameters& parameters, std::int64_t r, std::span<const float> dweights,
                QuantRowGradient& gradient) const;

  GroupQuantMatrix export_matrix(const QuantParameters& parameters) const;

 private:
  FakeQuant(const GroupQuantMatrix& start, std::vector<std::int32_t> order);
  struct Group {
    float scale, start_scale, zero;
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

}  // namespace assay
