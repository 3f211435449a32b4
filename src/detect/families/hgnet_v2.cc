#include "detect/families/hgnet_v2.h"

#include "detect/families/backbone_stages.h"
#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

constexpr int kMostChannels = 1 << 16, kMostBlocks = 64, kLargestKernel = 15, kLargestStride = 4;

Result<Hgnet> read_backbone(const nlohmann::json& config) {
  JsonFields fields(config);
  Hgnet result;
  const std::string type = fields.text("model_type", "hgnet_v2");
  const std::string activation = fields.text("hidden_act", "relu");
  const auto stem = fields.counts("stem_channels", {3, 32, 48}, kMostChannels);
  result.stem_strides = fields.counts("stem_strides", {2, 1, 1, 2, 1}, kLargestStride);
  result.affine = fields.boolean("use_learnable_affine_block", false);
  const auto inner = fields.counts("stage_mid_channels", {48, 96, 192, 384}, kMostChannels);
  const auto channels = fields.counts("stage_out_channels", {128, 512, 1024, 2048}, kMostChannels);
  const auto blocks = fields.counts("stage_num_blocks", {1, 1, 3, 1}, kMostBlocks);
  const auto layers = fields.counts("stage_numb_of_layers", {6, 6, 6, 6}, kMostBlocks);
  const auto sizes = fields.counts("stage_kernel_size", {3, 3, 5, 5}, kLargestKernel);
  const auto strides = fields.counts("stage_downsample_strides", {2, 2, 2, 2}, kLargestStride);
  const auto halves = fields.booleans("stage_downsample", {false, true, true, true});
  const auto light = fields.booleans("stage_light_block", {false, false, true, true});
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (type != "hgnet_v2")
    return Error{ErrorCode::kUnsupported, "model_type: " + quote(type) + ", expected hgnet_v2"};
  if (activation != "relu")
    return Error{ErrorCode::kUnsupported, "hidden_act: " + quote(activation) + ", expected relu"};
  if (stem.size() != 3 || stem[0] != 3 || result.stem_strides.size() != 5)
    return Error{ErrorCode::kCorrupt, "stem_channels, stem_strides: expected 3, starting with 3, and 5"};
  result.stem_width = stem[1];
  result.stem_channels = stem[2];
  for (const std::size_t count : {inner.size(), blocks.size(), layers.size(), sizes.size(), strides.size(),
                                  halves.size(), light.size()}) {
    if (count != channels.size())
      return Error{ErrorCode::kCorrupt, "stage_*: expected lists of the same length"};
  }
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (sizes[i] % 2 == 0) return Error{ErrorCode::kUnsupported, "stage_kernel_size: expected odd numbers"};
    result.stages.push_back({.inner_channels = inner[i],
                             .channels = channels[i],
                             .blocks = blocks[i],
                             .layers = layers[i],
                             .size = sizes[i],
                             .stride = strides[i],
                             .halves_first = halves[i],
                             .light = light[i]});
  }
  const int stages = static_cast<int>(channels.size());
  ASSAY_TRY(result.handed_on, handed_on_stages(config, stages, {stages}));
  return result;
}

// Builds with one description; paths are below the backbone's.
class Builder {
 public:
  Builder(Network& net, const Hgnet& description) : net_(net), affine_(description.affine) {}

  // ReLU, then the scale and shift.
  Value activated(Value x, const std::string& name, int channels, int size, const Window& window) {
    const Affine affine = affine_of(name);
    x = net_.graph.relu(convolution(x, name, channels, size, window, affine.folded_scale));
    return applied(x, affine);
  }
  Value plain(Value x, const std::string& name, int channels, int size, const Window& window) {
    return convolution(x, name, channels, size, window, 1.0f);
  }
  Value depthwise_plain(Value x, const std::string& name, int size, const Window& window) {
    return depthwise(x, name, size, window, 1.0f);
  }
  Value depthwise_activated(Value x, const std::string& name, int size, const Window& window) {
    const Affine affine = affine_of(name);
    return applied(net_.graph.relu(depthwise(x, name, size, window, affine.folded_scale)), affine);
  }

  Value stem(Value pixels, const std::string& name, const Hgnet& description) {
    GraphBuilder& graph = net_.graph;
    const auto& strides = description.stem_strides;
    const int width = description.stem_width;
    const Value x = activated(pixels, name + ".stem1", width, 3, {.stride = strides[0], .padding = 1});
    // A row and a column of zeros at the end, for the pool as for the convolutions; after the shift they may
    // be the largest.
    const Value pooled = graph.max_pool2d(graph.pad(x, {0, 0, 0, 0}, {0, 1, 1, 0}), 2, {});
    Value y = activated(x, name + ".stem2a", width / 2, 2, {.stride = strides[1], .padding_after = 1});
    y = activated(y, name + ".stem2b", width, 2, {.stride = strides[2], .padding_after = 1});
    graph.set_scope(name);
    y = graph.concat({pooled, y}, 3);
    y = activated(y, name + ".stem3", width, 3, {.stride = strides[3], .padding = 1});
    return activated(y, name + ".stem4", description.stem_channels, 1, {.stride = strides[4]});
  }

  Value block(Value x, const std::string& name, const HgnetStage& stage) {
    const Window same = {.padding = stage.size / 2};
    std::vector<Value> parts = {x};
    for (int layer = 0; layer < stage.layers; ++layer) {
      const std::string path = name + ".layers." + std::to_string(layer);
      if (stage.light) {
        const Value mixed = plain(parts.back(), path + ".conv1", stage.inner_channels, 1, {});
        parts.push_back(depthwise_activated(mixed, path + ".conv2", stage.size, same));
      } else {
        parts.push_back(activated(parts.back(), path, stage.inner_channels, stage.size, same));
      }
    }
    net_.graph.set_scope(name);
    const Value joined = net_.graph.concat(parts, 3);
    const Value squeezed = activated(joined, name + ".aggregation.0", stage.channels / 2, 1, {});
    return activated(squeezed, name + ".aggregation.1", stage.channels, 1, {});
  }

 private:
  // A scale that is positive goes through the ReLU and into the convolution; the rest is done after it.
  struct Affine {
    float folded_scale = 1.0f, scale = 1.0f, shift = 0.0f;
  };

  Affine affine_of(const std::string& name) {
    if (!affine_) return {};
    const auto scale = net_.weights.floats(name + ".lab.scale", {1});
    const auto shift = net_.weights.floats(name + ".lab.bias", {1});
    if (scale.empty() || shift.empty()) return {};
    if (scale[0] > 0) return {.folded_scale = scale[0], .shift = shift[0]};
    return {.scale = scale[0], .shift = shift[0]};
  }

  Value applied(Value x, const Affine& affine) {
    GraphBuilder& graph = net_.graph;
    if (affine.scale != 1.0f) x = graph.mul(x, graph.constant(affine.scale));
    return affine.shift == 0.0f ? x : graph.add(x, graph.constant(affine.shift));
  }

  Value convolution(Value x, const std::string& name, int channels, int size, const Window& window,
                    float factor) {
    return conv_batch_norm(net_, x, name + ".convolution", name + ".normalization", channels, size, window,
                           1e-5f, factor);
  }
  Value depthwise(Value x, const std::string& name, int size, const Window& window, float factor) {
    return depthwise_batch_norm(net_, x, name + ".convolution", name + ".normalization", size, window, 1e-5f,
                                factor);
  }

  Network& net_;
  bool affine_;
};

}  // namespace

Result<Hgnet> read_hgnet(const nlohmann::json& config) {
  const auto found = config.find("backbone_config");
  if (found == config.end() || !found->is_object())
    return Error{ErrorCode::kUnsupported, "backbone_config: expected one of hgnet_v2"};
  auto result = read_backbone(*found);
  if (!result) return result.error().with_context("backbone_config");
  return result;
}

std::vector<Value> hgnet(Network& net, Value pixels, const std::string& name, const Hgnet& description) {
  Builder builder(net, description);
  Value x = builder.stem(pixels, name + ".embedder", description);
  std::vector<Value> features;
  for (int stage = 0; stage < description.handed_on.back(); ++stage) {
    const HgnetStage& shape = description.stages[static_cast<std::size_t>(stage)];
    const std::string path = name + ".encoder.stages." + std::to_string(stage);
    if (shape.halves_first)
      x = builder.depthwise_plain(x, path + ".downsample", 3, {.stride = shape.stride, .padding = 1});
    for (int block = 0; block < shape.blocks; ++block) {
      const Value y = builder.block(x, path + ".blocks." + std::to_string(block), shape);
      x = block == 0 ? y : net.graph.add(y, x);
    }
    features.push_back(x);
  }
  return features;
}

}  // namespace assay::detect
