// Which inputs of an operator are weights, and weights as 8-bit integers.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "formats/tflite/model.h"

namespace assay::tflite {

// Where an operator that multiplies with weights has them.
struct WeightedOp {
  std::size_t input = 0;    // of the activations among the operator's inputs
  std::size_t weights = 1;  // of the weights
  std::size_t bias = 2;     // of the bias; may be absent
  int dimension = 0;        // along which output channels lie; -1: one scale for all
};

// Nothing for operators without weights. For DEPTHWISE_CONV_2D the last dimension holds the channels, for the
// others the first; BATCH_MATMUL takes one scale.
std::optional<WeightedOp> weighted_op(Op op);

struct QuantizedWeights {
  std::vector<std::int8_t> values;
  std::vector<float> scale;  // one, or one per index of the dimension
};

// Symmetric, nearest, within -127..127, as LiteRT's 8-bit specification wants it; `dimension` -1: one scale.
// A channel of zeros gets the scale 1/127. REQUIRES: as many values as the shape holds. NaN becomes 0.
// Source: https://ai.google.dev/edge/litert/models/quantization_spec
QuantizedWeights quantize_weights(std::span<const float> values, std::span<const std::int32_t> shape,
                                  int dimension);

// The same with scales given.
std::vector<std::int8_t> round_weights(std::span<const float> values, std::span<const std::int32_t> shape,
                                       int dimension, std::span<const float> scale);

// A new tensor of the graph with those values. Returns its index.
int add_int8_constant(Model& model, Subgraph& graph, const Tensor& like, QuantizedWeights weights,
                      int dimension);

}  // namespace assay::tflite
