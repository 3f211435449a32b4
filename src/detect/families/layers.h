// The layers that detectors with transformers share, from the tensors of their checkpoints.
// Conventions: a row per token, [tokens, channels]; `name` is the path of the module in the checkpoint.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "detect/families/checkpoint_weights.h"
#include "detect/graph/graph_builder.h"

namespace assay::detect {

// A graph that is being filled from a checkpoint.
struct Network {
  GraphBuilder& graph;
  CheckpointWeights& weights;
};

enum class Nonlinearity { kNone, kRelu, kGelu, kSilu };
// By the name in config.json. Nothing when unknown.
std::optional<Nonlinearity> nonlinearity_from_name(std::string_view name);
Value apply(Network& net, Value x, Nonlinearity kind);

// A tensor of the checkpoint as it is.
Value parameter(Network& net, const std::string& name, const Shape& shape);
Value zeros(Network& net, const Shape& shape);

// x W^T + b; W is `name`.weight [channels, in], b is `name`.bias. Each is multiplied by `factor` now.
Value linear(Network& net, Value x, const std::string& name, int channels, float factor = 1.0f);

// Over the last dimension: (x - mean) / sqrt(variance + epsilon) * weight + bias
Value layer_norm(Network& net, Value x, const std::string& name, float epsilon = 1e-5f);

// Linear layers `name`.layers.0 ... with ReLU between them; widths are what they put out.
Value relu_layers(Network& net, Value x, const std::string& name, const std::vector<int>& widths);

// Names of the four projections below a module.
struct AttentionNames {
  std::string query, key, value, output;
};
// `name`.q_proj, .k_proj, .v_proj and .out_proj; or .o_proj, where the checkpoint has that one.
AttentionNames projections(const Network& net, const std::string& name);

// softmax(q k^T / sqrt(channels per head) + mask) v for each head, between the four linear layers. `queries`,
// `keys` and `values` are what goes into the projections. `mask`, where it exists, is added to the scores,
// [1, 1, keys] or of more.
Value attention(Network& net, Value queries, Value keys, Value values, const AttentionNames& names, int heads,
                Value mask = {});
// The part of it between the projections: q, k [tokens, channels] and v [tokens, channels of values].
Value attend(Network& net, Value q, Value k, Value v, int heads, Value mask = {});

// A convolution without bias and the batch normalization after it, as one convolution; `convolution`.weight
// [out, in, size, size], `normalization`.weight, .bias, .running_mean and .running_var [out].
Value conv_batch_norm(Network& net, Value x, const std::string& convolution, const std::string& normalization,
                      int channels, int size, const Window& window, float epsilon = 1e-5f);
// With one channel of input for each of the output.
Value depthwise_batch_norm(Network& net, Value x, const std::string& convolution,
                           const std::string& normalization, int size, const Window& window,
                           float epsilon = 1e-5f);
// A convolution with a bias.
Value conv(Network& net, Value x, const std::string& name, int channels, int size, const Window& window);

// log(x / (1 - x)), both at least 1e-5.
Value inverse_sigmoid(Network& net, Value x);

// [1, height, width, channels] as [height * width, channels]
Value tokens_of(Network& net, Value features);

}  // namespace assay::detect
