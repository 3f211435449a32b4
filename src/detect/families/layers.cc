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

Value normalized_convolution(Network& net, Value x, const std::string& convolution,
                             const std::string& normalization, int channels, int size, const Window& window,
                             float epsilon, bool depthwise) {
  net.graph.set_scope(convolution);
  const int inputs = depthwise ? 1 : net.graph.extent(x, 3);
  const ChannelMap map = batch_norm(net, normalization, channels, epsilon);
  const auto weights = net.weights.floats(convolution + ".weight", {channels, inputs, size, size});
  if (map.scale.empty() || weights.empty()) return {};
  const Shape shape = depthwise ? Shape{1, size, size, channels} : Shape{channels, size, size, inputs};
  const Value kernel =
      constant(net, convolution + ".weight", shape,
               to_runtime_order(weights, map.scale, channels, inputs, size * size, depthwise));
  const Value bias = constant(net, normalization + ".bias", {channels}, map.shift);
  return depthwise ? net.graph.depthwise_conv2d(x, kernel, bias, window)
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

Value conv_batch_norm(Network& net, Value x, const std::string& convolution, const std::string& normalization,
                      int channels, int size, const Window& window, float epsilon) {
  return normalized_convolution(net, x, convolution, normalization, channels, size, window, epsilon, false);
}

Value depthwise_batch_norm(Network& net, Value x, const std::string& convolution,
                           const std::string& normalization, int size, const Window& window, float epsilon) {
  return normalized_convolution(net, x, convolution, normalization, net.graph.extent(x, 3), size, window,
                                epsilon, true);
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

Value inverse_sigmoid(Network& net, Value x) {
  GraphBuilder& graph = net.graph;
  const Value least = graph.constant(1e-5f);
  const Value yes = graph.maximum(x, least);
  const Value no = graph.maximum(graph.sub(graph.constant(1.0f), x), least);
  return graph.unary(Op::kLog, graph.div(yes, no));
}

Value tokens_of(Network& net, Value features) {
  const GraphBuilder& graph = net.graph;
  return net.graph.reshape(
      features, {graph.extent(features, 1) * graph.extent(features, 2), graph.extent(features, 3)});
}

}  // namespace assay::detect
