#include "detect/families/hybrid_encoder.h"

#include <algorithm>

#include "detect/families/position.h"

namespace assay::detect {
namespace {

// "AIFI": attention within one level.
Value transform_level(Network& net, Value features, const std::string& name, const RtDetr& detr) {
  GraphBuilder& graph = net.graph;
  const Shape shape = graph.shape(features);
  if (!features.exists()) return {};
  Value positions;
  if (detr.has_positions)
    positions = graph.constant(
        name + ".positions", {shape[1] * shape[2], shape[3]},
        tflite::Data::own_values(unscaled_sine_positions(shape[1], shape[2], shape[3], detr.temperature)));
  Value x = tokens_of(net, features);
  for (int layer = 0; layer < detr.encoder_layers; ++layer) {
    const std::string path = name + ".layers." + std::to_string(layer);
    x = feed_forward(net, self_attention(net, x, positions, path, detr.encoder_layer), path,
                     detr.encoder_layer);
  }
  return graph.reshape(x, shape);
}

// Side by side, of two levels that must be of one size by now.
Value join(Network& net, Value a, Value b) {
  const GraphBuilder& graph = net.graph;
  if (a.exists() && b.exists() &&
      (graph.extent(a, 1) != graph.extent(b, 1) || graph.extent(a, 2) != graph.extent(b, 2)))
    return net.graph.fail(ErrorCode::kInvalidArgument,
                          "levels of the picture do not halve evenly; height and width have to be multiples "
                          "of the coarsest level's stride, 32 in most models");
  return net.graph.concat({a, b}, 3);
}

}  // namespace

Value conv_norm(Network& net, Value x, const std::string& name, int channels, int size, int stride,
                const RtDetr& detr, Nonlinearity activation) {
  x = conv_batch_norm(net, x, name + ".conv", name + ".norm", channels, size,
                      {.stride = stride, .padding = (size - 1) / 2}, detr.batch_norm_epsilon);
  return apply(net, x, activation);
}

Value csp_rep(Network& net, Value x, const std::string& name, int inner, int channels, int blocks,
              const RtDetr& detr) {
  Value y = conv_norm(net, x, name + ".conv1", inner, 1, 1, detr, detr.activation);
  for (int block = 0; block < blocks; ++block) {
    y = rep_vgg(net, y, name + ".bottlenecks." + std::to_string(block), detr.batch_norm_epsilon);
    y = apply(net, y, detr.activation);
  }
  const Value beside = conv_norm(net, x, name + ".conv2", inner, 1, 1, detr, detr.activation);
  y = net.graph.add(y, beside);
  return inner == channels ? y : conv_norm(net, y, name + ".conv3", channels, 1, 1, detr, detr.activation);
}

std::vector<Value> hybrid_encoder(Network& net, const std::vector<Value>& features, const RtDetr& detr,
                                  const EncoderParts& parts) {
  GraphBuilder& graph = net.graph;
  std::vector<Value> levels;
  for (std::size_t level = 0; level < features.size(); ++level) {
    const std::string name = "model.encoder_input_proj." + std::to_string(level);
    levels.push_back(
        conv_batch_norm(net, features[level], name + ".0", name + ".1", detr.encoder_channels, 1, {}));
  }
  for (std::size_t i = 0; i < detr.transformed.size() && detr.encoder_layers > 0; ++i) {
    // The first spelling is the one of published files.
    const std::string name = "model.encoder.encoder." + std::to_string(i),
                      newer = "model.encoder.aifi." + std::to_string(i);
    Value& level = levels[static_cast<std::size_t>(detr.transformed[i])];
    level = transform_level(
        net, level, net.weights.has(newer + ".layers.0.final_layer_norm.weight") ? newer : name, detr);
  }
  // Coarsest first.
  std::vector<Value> down = {levels.back()};
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const std::string number = std::to_string(i);
    Value& coarse = down.back();
    coarse = conv_norm(net, coarse, "model.encoder.lateral_convs." + number, detr.encoder_channels, 1, 1,
                       detr, parts.lateral_activation);
    const Value enlarged =
        graph.resize_nearest(coarse, 2 * graph.extent(coarse, 1), 2 * graph.extent(coarse, 2));
    const Value fused = join(net, enlarged, levels[levels.size() - 2 - i]);
    down.push_back(parts.fuse(net, fused, "model.encoder.fpn_blocks." + number, detr, parts.blocks));
  }
  std::reverse(down.begin(), down.end());
  std::vector<Value> up = {down.front()};
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const std::string number = std::to_string(i);
    const Value halved = parts.halve(net, up.back(), "model.encoder.downsample_convs." + number, detr);
    up.push_back(parts.fuse(net, join(net, halved, down[i + 1]), "model.encoder.pan_blocks." + number, detr,
                            parts.blocks));
  }
  return up;
}

}  // namespace assay::detect
