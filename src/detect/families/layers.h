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

// Over all pixels of each of `groups` of channels; x [1, height, width, channels], REQUIRES a multiple of groups.
Value group_norm(Network& net, Value x, const std::string& name, int groups, float epsilon = 1e-5f);

// The first of `paths` where the checkpoint has a head, a linear layer or several (`path`.layers.0 ...); the first of all
// where none has.
std::string head_path(const Network& net, const std::vector<std::string>& paths);

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

// What a transformer's layer has besides widths that its input tells.
struct TransformerLayer {
  int heads = 1;
  int inner_width = 1;  // of the feed-forward part
  Nonlinearity activation = Nonlinearity::kRelu;
  float epsilon = 1e-5f;
};
// layer_norm(x + w2 activation(w1 x)) with `name`.fc1, .fc2 and .final_layer_norm.
Value feed_forward(Network& net, Value x, const std::string& name, const TransformerLayer& layer);
// layer_norm(x + attention(x + positions, x + positions, x, mask)) with `name`.self_attn and
// .self_attn_layer_norm. Where `positions` do not exist, none are added.
Value self_attention(Network& net, Value x, Value positions, const std::string& name,
                     const TransformerLayer& layer, Value mask = {});

// A convolution without bias and the batch normalization after it, as one convolution; `convolution`.weight
// [out, in, size, size], `normalization`.weight, .bias, .running_mean and .running_var [out]. The result is
// multiplied by `factor` now.
Value conv_batch_norm(Network& net, Value x, const std::string& convolution, const std::string& normalization,
                      int channels, int size, const Window& window, float epsilon = 1e-5f,
                      float factor = 1.0f);
// With one channel of input for each of the output.
Value depthwise_batch_norm(Network& net, Value x, const std::string& convolution,
                           const std::string& normalization, int size, const Window& window,
                           float epsilon = 1e-5f, float factor = 1.0f);
// The sum of a 3x3 and a 1x1 convolution, each with its normalization, as one 3x3 convolution ("RepVGG"):
// `name`.conv1.conv, .conv1.norm, .conv2.conv and .conv2.norm. As many channels as `x` has.
Value rep_vgg(Network& net, Value x, const std::string& name, float epsilon);
// A convolution with a bias.
Value conv(Network& net, Value x, const std::string& name, int channels, int size, const Window& window);

// At least -`most` and at most `most`.
Value clamped(Network& net, Value x, float most);

// The logit of sigmoid(x) as DETR's successors compute it, with probabilities clamped to [1e-5, 1 - 1e-5]: x
// itself, clamped. Off theirs by 1e-5 at most, and only where |x| > 11.5.
Value clamped_logit(Network& net, Value x);

// [1, height, width, channels] as [height * width, channels]
Value tokens_of(Network& net, Value features);

}  // namespace assay::detect
