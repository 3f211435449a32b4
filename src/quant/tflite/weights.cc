#include "quant/tflite/weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace assay::tflite {
namespace {

constexpr float kLargest = 127;

// How values lie around the channel dimension: [outer, channels, inner].
struct Layout {
  Layout(std::span<const std::int32_t> shape, int dimension) {
    if (dimension < 0) return;
    const auto d = static_cast<std::size_t>(dimension);
    channels = static_cast<std::size_t>(shape[d]);
    for (std::size_t i = d + 1; i < shape.size(); ++i) inner *= static_cast<std::size_t>(shape[i]);
  }
  // Calls visit(channel, begin, end) for each run of values of one channel.
  template <typename Visit>
  void each_run(std::size_t count, Visit visit) const {
    if (channels == 1) return visit(0, std::size_t{0}, count);
    std::size_t channel = 0;
    for (std::size_t begin = 0; begin < count; begin += inner) {
      visit(channel, begin, begin + inner);
      if (++channel == channels) channel = 0;
    }
  }
  std::size_t channels = 1;
  std::size_t inner = 1;
};

// Halves away from zero, as std::round, which the compiler does not vectorize. The largest float below a half
// gives that: with a half itself, what lies just below it would be rounded up by the addition.
std::int8_t round_to_int8(float code) {
  constexpr float kBelowHalf = 0x1.fffffep-2f;
  const float number = code == code ? code : 0.0f;
  const float clamped = std::min(std::max(number, -kLargest), kLargest);
  return static_cast<std::int8_t>(static_cast<std::int32_t>(clamped + std::copysign(kBelowHalf, clamped)));
}

}  // namespace

std::optional<WeightedOp> weighted_op(Op op) {
  switch (op) {
    case Op::kConv2d:
    case Op::kFullyConnected:
      return WeightedOp{0, 1, 2, 0};
    case Op::kDepthwiseConv2d:
      return WeightedOp{0, 1, 2, 3};
    case Op::kTransposeConv:
      return WeightedOp{2, 1, 3, 0};
    case Op::kBatchMatmul:
      return WeightedOp{0, 1, 2, -1};
    default:
      return std::nullopt;
  }
}

QuantizedWeights quantize_weights(std::span<const float> values, std::span<const std::int32_t> shape,
                                  int dimension) {
  const Layout layout(shape, dimension);
  std::vector<float> scale(layout.channels, 0.0f);
  layout.each_run(values.size(), [&](std::size_t channel, std::size_t begin, std::size_t end) {
    constexpr float kMax = std::numeric_limits<float>::max();
    for (std::size_t i = begin; i < end; ++i) {
      const float size = std::fabs(values[i]);
      if (size <= kMax && size > scale[channel]) scale[channel] = size;
    }
  });
  for (float& s : scale) {
    s = s > 0 ? s / kLargest : 1 / kLargest;
    // A subnormal scale has lost its precision, and its inverse may be infinite.
    s = std::max(s, 1e-30f);
  }
  auto rounded = round_weights(values, shape, dimension, scale);
  return {std::move(rounded), std::move(scale)};
}

std::vector<std::int8_t> round_weights(std::span<const float> values, std::span<const std::int32_t> shape,
                                       int dimension, std::span<const float> scale) {
  const Layout layout(shape, dimension);
  std::vector<std::int8_t> rounded(values.size());
  layout.each_run(values.size(), [&](std::size_t channel, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) rounded[i] = round_to_int8(values[i] / scale[channel]);
  });
  return rounded;
}

int add_int8_constant(Model& model, Subgraph& graph, const Tensor& like, QuantizedWeights weights,
                      int dimension) {
  Tensor tensor;
  tensor.name = like.name;
  tensor.shape = like.shape;
  tensor.type = TensorType::kInt8;
  tensor.quantization.zero_point.assign(weights.scale.size(), 0);
  tensor.quantization.scale = std::move(weights.scale);
  tensor.quantization.dimension = std::max(dimension, 0);
  model.set_data(tensor, Data::own_values(weights.values));
  graph.tensors.push_back(std::move(tensor));
  return static_cast<int>(graph.tensors.size()) - 1;
}

}  // namespace assay::tflite
