#include "detect/families/layers.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "detect/graph/fold.h"

namespace assay::detect {
namespace {

using tflite::Data;
using tflite::Op;

// What batch normalization does to each channel: x * scale + shift.
struct ChannelMap {
  std::vector<float> scale, shift;
};

ChannelMap batch_norm(Network& net, const std::string& name, int channels, float epsilon) {
  const auto weight = net.weights.floats(name + ".weight", {channels});
  const auto bias = net.weights.floats(name + ".bias", {channels});
  const auto mean = net.weights.floats(name + ".running_mean", {channels});
  const auto variance = net.weights.floats(name + ".running_var", {channels});
  ChannelMap map;
  if (weight.empty() || bias.empty() || mean.empty() || variance.empty()) return map;
  if (std::any_of(variance.begin(), variance.end(), [&](float value) { return value + epsilon <= 0; })) {
    net.weights.reject(name + ".running_var", "has negative values");
    return map;
  }
  for (std::size_t c = 0; c < weight.size(); ++c) {
    const double scale = weight[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    map.scale.push_back(static_cast<float>(scale));
    map.shift.push_back(static_cast<float>(bias[c] - mean[c] * scale));
  }
  return map;
}

// [out, in, size, size] as [out, size, size, in], or depthwise [channels, 1, size, size] as [1, size, size,
// channels]; each output channel times its scale.
std::vector<float> to_runtime_order(const std::vector<float>& weights, const std::vector<float>& scale,
                                    int outputs, int inputs, int taps, bool depthwise) {
  std::vector<float> result(weights.size());
  std::size_t from = 0;
  for (std::size_t o = 0; o < static_cast<std::size_t>(outputs); ++o) {
    const double factor = scale.empty() ? 1.0 : scale[o];
    for (std::size_t i = 0; i < static_cast<std::size_t>(inputs); ++i) {
      for (std::size_t t = 0; t < static_cast<std::size_t>(taps); ++t) {
        const std::size_t to =
            depthwise ? t * static_cast<std::size_t>(outputs) + o
                      : (o * static_cast<std::size_t>(taps) + t) * static_cast<std::size_t>(inputs) + i;
        result[to] = static_cast<float>(weights[from++] * factor);
      }
    }
  }
  return result;
}

Value constant(Network& net, const std::string& name, Shape shape, std::vector<float> values) {
  if (values.empty()) return {};
  return net.graph.constant(name, std::move(shape), Data::own_values(values));
}

struct Convolution {
  std::string weights, normalization;
  int channels, inputs, size;
  float epsilon, factor;
  bool depthwise;
};

// A convolution with the normalization in it, in the runtime's order; empty where tensors are missing.
struct FoldedConvolution {
  std::vector<float> weights, bias;
};

FoldedConvolution fold(Network& net, const Convolution& convolution) {
  ChannelMap map = batch_norm(net, convolution.normalization, convolution.channels, convolution.epsilon);
  const auto weights =
      net.weights.floats(convolution.weights + ".weight",
                         {convolution.channels, convolution.inputs, convolution.size, convolution.size});
  if (map.scale.empty() || weights.empty()) return {};
  if (convolution.factor != 1.0f) {
    for (auto* values : {&map.scale, &map.shift}) {
      for (float& value : *values) value *= convolution.factor;
    }
  }
  return {to_runtime_order(weights, map.scale, convolution.channels, convolution.inputs,
                           convolution.size * convolution.size, convolution.depthwise),
          map.shift};
}

Value normalized_convolution(Network& net, Value x, const Convolution& convolution, const Window& window) {
  net.graph.set_scope(convolution.weights);
  FoldedConvolution folded = fold(net, convolution);
  const int size = convolution.size;
  const Shape shape = convolution.depthwise ? Shape{1, size, size, convolution.channels}
                                            : Shape{convolution.channels, size, size, convolution.inputs};
  const Value kernel = constant(net, convolution.weights + ".weight", shape, std::move(folded.weights));
  const Value bias =
      constant(net, convolution.normalization + ".bias", {convolution.channels}, std::move(folded.bias));
  return convolution.depthwise ? net.graph.depthwise_conv2d(x, kernel, bias, window)
                               : net.graph.conv2d(x, kernel, bias, window);
}

}  // namespace

std::optional<Nonlinearity> nonlinearity_from_name(std::string_view name) {
  if (name == "relu") return Nonlinearity::kRelu;
  if (name == "gelu") return Nonlinearity::kGelu;
  if (name == "silu" || name == "swish") return Nonlinearity::kSilu;
  return std::nullopt;
}

Value apply(Network& net, Value x, Nonlinearity kind) {
  switch (kind) {
    case Nonlinearity::kNone:
      return x;
    case Nonlinearity::kRelu:
      return net.graph.relu(x);
    case Nonlinearity::kGelu:
      return net.graph.gelu(x);
    case Nonlinearity::kSilu:
      return net.graph.silu(x);
  }
  return x;
}

Value parameter(Network& net, const std::string& name, const Shape& shape) {
  Data data = net.weights.data(name, shape);
  return data.bytes().empty() ? Value{} : net.graph.constant(name, shape, std::move(data));
}

Value zeros(Network& net, const Shape& shape) {
  return net.graph.constant(shape, std::vector<float>(element_count(shape)));
}

Value linear(Network& net, Value x, const std::string& name, int channels, float factor) {
  net.graph.set_scope(name);
  const Shape matrix = {channels, net.graph.extent(x, -1)};
  if (factor == 1.0f) {
    const Value weights = parameter(net, name + ".weight", matrix);
    return net.graph.fully_connected(x, weights, parameter(net, name + ".bias", {channels}));
  }
  auto weights = net.weights.floats(name + ".weight", matrix);
  auto bias = net.weights.floats(name + ".bias", {channels});
  for (auto* values : {&weights, &bias}) {
    for (float& value : *values) value *= factor;
  }
  const Value kernel = constant(net, name + ".weight", matrix, std::move(weights));
  return net.graph.fully_connected(x, kernel, constant(net, name + ".bias", {channels}, std::move(bias)));
}

Value layer_norm(Network& net, Value x, const std::string& name, float epsilon) {
  const int channels = net.graph.extent(x, -1);
  const Value scale =
      constant(net, name + ".weight", {channels}, net.weights.floats(name + ".weight", {channels}));
  const Value shift =
      constant(net, name + ".bias", {channels}, net.weights.floats(name + ".bias", {channels}));
  GraphBuilder& graph = net.graph;
  graph.set_scope(name);
  const Value centered = graph.sub(x, graph.reduce(Op::kMean, x, -1));
  const Value variance = graph.reduce(Op::kMean, graph.mul(centered, centered), -1);
  const Value inverse = graph.unary(Op::kRsqrt, graph.add(variance, graph.constant(epsilon)));
  return graph.add(graph.mul(graph.mul(centered, inverse), scale), shift);
}

Value group_norm(Network& net, Value x, const std::string& name, int groups, float epsilon) {
  GraphBuilder& graph = net.graph;
  const int channels = graph.extent(x, 3), pixels = graph.extent(x, 1) * graph.extent(x, 2);
  const Shape by_group = {1, groups, channels / groups};
  const auto grouped = [&](const std::string& part) {
    return graph.reshape(parameter(net, name + part, {channels}), by_group);
  };
  const Value scale = grouped(".weight"), shift = grouped(".bias");
  graph.set_scope(name);
  const auto mean = [&](Value y) { return graph.reduce(Op::kMean, graph.reduce(Op::kMean, y, 0), 2); };
  const Value y = graph.reshape(x, {pixels, groups, channels / groups});
  const Value centered = graph.sub(y, mean(y));
  const Value variance = mean(graph.mul(centered, centered));
  const Value inverse = graph.unary(Op::kRsqrt, graph.add(variance, graph.constant(epsilon)));
  return graph.reshape(graph.add(graph.mul(centered, graph.mul(inverse, scale)), shift), graph.shape(x));
}

std::string head_path(const Network& net, const std::vector<std::string>& paths) {
  const auto found = std::find_if(paths.begin(), paths.end(), [&](const std::string& path) {
    return net.weights.has(path + ".weight") || net.weights.has(path + ".layers.0.weight");
  });
  return found == paths.end() ? paths.front() : *found;
}

Value relu_layers(Network& net, Value x, const std::string& name, const std::vector<int>& widths) {
  for (std::size_t i = 0; i < widths.size(); ++i) {
    x = linear(net, x, name + ".layers." + std::to_string(i), widths[i]);
    if (i + 1 < widths.size()) x = net.graph.relu(x);
  }
  return x;
}

AttentionNames projections(const Network& net, const std::string& name) {
  const std::string output = net.weights.has(name + ".o_proj.weight") ? ".o_proj" : ".out_proj";
  return {name + ".q_proj", name + ".k_proj", name + ".v_proj", name + output};
}

Value attend(Network& net, Value q, Value k, Value v, int heads, Value mask) {
  GraphBuilder& graph = net.graph;
  const auto split = [&](Value x) {
    const int tokens = graph.extent(x, 0), channels = graph.extent(x, 1);
    return graph.transpose(graph.reshape(x, {tokens, heads, channels / heads}), {1, 0, 2});
  };
  Value scores = graph.batch_matmul(split(q), split(k), true);
  if (mask.exists()) scores = graph.add(scores, mask);
  const Value mixed = graph.batch_matmul(graph.softmax(scores), split(v), false);
  return graph.reshape(graph.transpose(mixed, {1, 0, 2}), {graph.extent(q, 0), graph.extent(v, 1)});
}

Value attention(Network& net, Value queries, Value keys, Value values, const AttentionNames& names, int heads,
                Value mask) {
  const int channels = net.graph.extent(queries, 1);
  // The scale of the scores goes into the projection of the queries.
  const auto factor = static_cast<float>(1.0 / std::sqrt(static_cast<double>(channels / heads)));
  const Value q = linear(net, queries, names.query, channels, factor);
  const Value k = linear(net, keys, names.key, channels);
  const Value v = linear(net, values, names.value, channels);
  const Value mixed = attend(net, q, k, v, heads, mask);
  return linear(net, mixed, names.output, channels);
}

Value feed_forward(Network& net, Value x, const std::string& name, const TransformerLayer& layer) {
  // Newer checkpoints keep the two in a module of their own.
  const std::string first =
      net.weights.first_of({name + ".fc1.weight", name + ".mlp.fc1.weight", name + ".mlp.layers.0.weight"});
  const bool numbered = first.ends_with(".layers.0.weight");
  const std::string path = first.starts_with(name + ".mlp") ? name + ".mlp" : name;
  const Value inner = apply(net, linear(net, x, path + (numbered ? ".layers.0" : ".fc1"), layer.inner_width),
                            layer.activation);
  const Value outer = linear(net, inner, path + (numbered ? ".layers.1" : ".fc2"), net.graph.extent(x, 1));
  return layer_norm(net, net.graph.add(x, outer), name + ".final_layer_norm", layer.epsilon);
}

Value self_attention(Network& net, Value x, Value positions, const std::string& name,
                     const TransformerLayer& layer, Value mask) {
  net.graph.set_scope(name + ".self_attn");
  const Value placed = positions.exists() ? net.graph.add(x, positions) : x;
  const Value mixed =
      attention(net, placed, placed, x, projections(net, name + ".self_attn"), layer.heads, mask);
  return layer_norm(net, net.graph.add(x, mixed), name + ".self_attn_layer_norm", layer.epsilon);
}

Value conv_batch_norm(Network& net, Value x, const std::string& convolution, const std::string& normalization,
                      int channels, int size, const Window& window, float epsilon, float factor) {
  return normalized_convolution(
      net, x, {convolution, normalization, channels, net.graph.extent(x, 3), size, epsilon, factor, false},
      window);
}

Value depthwise_batch_norm(Network& net, Value x, const std::string& convolution,
                           const std::string& normalization, int size, const Window& window, float epsilon,
                           float factor) {
  return normalized_convolution(
      net, x, {convolution, normalization, net.graph.extent(x, 3), 1, size, epsilon, factor, true}, window);
}

Value rep_vgg(Network& net, Value x, const std::string& name, float epsilon) {
  net.graph.set_scope(name);
  const int channels = net.graph.extent(x, 3);
  const auto part = [&](const std::string& path, int size) {
    return fold(net, {path + ".conv", path + ".norm", channels, channels, size, epsilon, 1.0f, false});
  };
  FoldedConvolution sum = part(name + ".conv1", 3);
  const FoldedConvolution center = part(name + ".conv2", 1);
  if (sum.weights.empty() || center.weights.empty()) return {};
  const auto inputs = static_cast<std::size_t>(channels);
  for (std::size_t o = 0; o < inputs; ++o) {
    sum.bias[o] += center.bias[o];
    for (std::size_t i = 0; i < inputs; ++i)
      sum.weights[(o * 9 + 4) * inputs + i] += center.weights[o * inputs + i];
  }
  const Value kernel = constant(net, name + ".weight", {channels, 3, 3, channels}, std::move(sum.weights));
  return net.graph.conv2d(x, kernel, constant(net, name + ".bias", {channels}, std::move(sum.bias)),
                          {.padding = 1});
}

Value conv(Network& net, Value x, const std::string& name, int channels, int size, const Window& window) {
  net.graph.set_scope(name);
  const int inputs = net.graph.extent(x, 3);
  const auto weights = net.weights.floats(name + ".weight", {channels, inputs, size, size});
  const Value bias =
      constant(net, name + ".bias", {channels}, net.weights.floats(name + ".bias", {channels}));
  const Value kernel = weights.empty()
                           ? Value{}
                           : constant(net, name + ".weight", {channels, size, size, inputs},
                                      to_runtime_order(weights, {}, channels, inputs, size * size, false));
  return net.graph.conv2d(x, kernel, bias, window);
}

Value clamped(Network& net, Value x, float most) {
  return net.graph.minimum(net.graph.maximum(x, net.graph.constant(-most)), net.graph.constant(most));
}

Value clamped_logit(Network& net, Value x) { return clamped(net, x, static_cast<float>(std::log(1e5))); }

Value tokens_of(Network& net, Value features) {
  const GraphBuilder& graph = net.graph;
  return net.graph.reshape(
      features, {graph.extent(features, 1) * graph.extent(features, 2), graph.extent(features, 3)});
}

}  // namespace assay::detect
