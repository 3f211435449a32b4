#include "detect/families/resnet.h"

#include <array>

#include "detect/families/backbone_stages.h"
#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

struct TimmModel {
  std::string_view name;
  std::array<int, 4> depths;
  bool bottleneck;
};
constexpr std::array<TimmModel, 5> kTimmModels = {{{"resnet18", {2, 2, 2, 2}, false},
                                                   {"resnet34", {3, 4, 6, 3}, false},
                                                   {"resnet50", {3, 4, 6, 3}, true},
                                                   {"resnet101", {3, 4, 23, 3}, true},
                                                   {"resnet152", {3, 8, 36, 3}, true}}};

constexpr int kMostStages = 6, kMostBlocks = 256, kMostChannels = 1 << 16;

Result<Resnet> timm_resnet(const std::string& name) {
  std::string known;
  for (const TimmModel& model : kTimmModels) {
    known += (known.empty() ? "" : ", ") + std::string(model.name);
    // "resnet50.a1_in1k" is the same network with other weights.
    if (name != model.name && !name.starts_with(std::string(model.name) + ".")) continue;
    Resnet resnet;
    resnet.bottleneck = model.bottleneck;
    resnet.depths.assign(model.depths.begin(), model.depths.end());
    const int expansion = model.bottleneck ? 4 : 1;
    for (const int width : {64, 128, 256, 512}) resnet.widths.push_back(width * expansion);
    return resnet;
  }
  return Error{ErrorCode::kUnsupported, "backbone: " + quote(name) + ", expected one of " + known};
}

// timm's constructor takes other depths and widths, which config.json then names.
Status apply_arguments(const nlohmann::json& config, Resnet& resnet) {
  const auto found = config.find("backbone_kwargs");
  if (found == config.end() || !found->is_object()) return {};
  JsonFields fields(*found);
  const int expansion = resnet.bottleneck ? 4 : 1;
  std::vector<int> channels;
  for (const int width : resnet.widths) channels.push_back(width / expansion);
  resnet.depths = fields.counts("layers", resnet.depths, kMostBlocks);
  resnet.widths = fields.counts("channels", channels, kMostChannels / 4);
  for (int& width : resnet.widths) width *= expansion;
  if (const Status status = fields.status(); !status) return status.error().with_context("backbone_kwargs");
  if (resnet.depths.size() == 4 && resnet.widths.size() == 4) return {};
  return Error{ErrorCode::kUnsupported, "backbone_kwargs: layers and channels: expected four of each"};
}

Result<Resnet> native_resnet(const nlohmann::json& config) {
  JsonFields fields(config);
  Resnet resnet;
  resnet.depths = fields.counts("depths", {}, kMostBlocks);
  resnet.widths = fields.counts("hidden_sizes", {}, kMostChannels);
  resnet.stem_width = static_cast<int>(fields.required_count("embedding_size", kMostChannels));
  const std::string layer = fields.text("layer_type", "bottleneck");
  resnet.bottleneck = layer == "bottleneck";
  resnet.stride_in_first = fields.boolean("downsample_in_bottleneck", false);
  resnet.stride_in_first_stage = fields.boolean("downsample_in_first_stage", false);
  const std::string activation = fields.text("hidden_act", "relu");
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (layer != "bottleneck" && layer != "basic")
    return Error{ErrorCode::kUnsupported, "backbone_config.layer_type: " + quote(layer)};
  if (activation != "relu")
    return Error{ErrorCode::kUnsupported,
                 "backbone_config.hidden_act: " + quote(activation) + ", expected relu"};
  if (resnet.depths.empty() || resnet.depths.size() > kMostStages)
    return Error{ErrorCode::kCorrupt, "backbone_config: depths: expected those of 1 to " +
                                          std::to_string(kMostStages) + " stages"};
  if (resnet.depths.size() != resnet.widths.size())
    return Error{ErrorCode::kCorrupt, "backbone_config: depths and hidden_sizes differ in length"};
  const int stages = static_cast<int>(resnet.depths.size());
  auto handed_on = handed_on_stages(config, stages, {stages});
  if (!handed_on) return handed_on.error().with_context("backbone_config");
  resnet.handed_on = *std::move(handed_on);
  return resnet;
}

struct ConvNames {
  std::string convolution, normalization;
};

class Names {
 public:
  Names(const Network& net, std::string path)
      : path_(std::move(path)), timm_(net.weights.has(path_ + ".conv1.weight")) {}

  ConvNames stem() const {
    if (timm_) return {path_ + ".conv1", path_ + ".bn1"};
    return native(path_ + ".embedder.embedder");
  }
  ConvNames stem(int index) const { return native(path_ + ".embedder.embedder." + std::to_string(index)); }
  ConvNames convolution(int stage, int block, int index) const {
    const std::string number = std::to_string(index + 1);
    if (timm_)
      return {timm_block(stage, block) + ".conv" + number, timm_block(stage, block) + ".bn" + number};
    return native(native_block(stage, block) + ".layer." + std::to_string(index));
  }
  ConvNames shortcut(int stage, int block) const {
    if (timm_)
      return {timm_block(stage, block) + ".downsample.0", timm_block(stage, block) + ".downsample.1"};
    return native(native_block(stage, block) + ".shortcut");
  }
  ConvNames shortcut_after_pool(int stage, int block) const {
    return native(native_block(stage, block) + ".shortcut.1");
  }

 private:
  static ConvNames native(const std::string& path) {
    return {path + ".convolution", path + ".normalization"};
  }
  std::string timm_block(int stage, int block) const {
    return path_ + ".layer" + std::to_string(stage + 1) + "." + std::to_string(block);
  }
  std::string native_block(int stage, int block) const {
    return path_ + ".encoder.stages." + std::to_string(stage) + ".layers." + std::to_string(block);
  }
  std::string path_;
  bool timm_;
};

Value convolution(Network& net, Value x, const ConvNames& names, int channels, int size, int stride,
                  int dilation) {
  return conv_batch_norm(net, x, names.convolution, names.normalization, channels, size,
                         {.stride = stride, .dilation = dilation, .padding = dilation * (size / 2)});
}

struct Block {
  int stage, index, width, stride, dilation;
};

Value stem(Network& net, Value pixels, const Names& names, const Resnet& resnet) {
  if (!resnet.vd) return net.graph.relu(convolution(net, pixels, names.stem(), resnet.stem_width, 7, 2, 1));
  const int half = resnet.stem_width / 2;
  Value x = net.graph.relu(convolution(net, pixels, names.stem(0), half, 3, 2, 1));
  x = net.graph.relu(convolution(net, x, names.stem(1), half, 3, 1, 1));
  return net.graph.relu(convolution(net, x, names.stem(2), resnet.stem_width, 3, 1, 1));
}

Value shortcut(Network& net, Value x, const Names& names, const Resnet& resnet, const Block& block) {
  const bool widens = net.graph.extent(x, 3) != block.width;
  // transformers asks for the widths in one kind of block and for the stride in the other.
  if (resnet.vd && (resnet.bottleneck ? block.stride == 2 : widens)) {
    x = net.graph.average_pool2d(x, 2, {.stride = 2, .ceil_mode = true});
    return convolution(net, x, names.shortcut_after_pool(block.stage, block.index), block.width, 1, 1, 1);
  }
  const bool always = resnet.vd && !resnet.bottleneck && block.index == 0;
  if (!always && !widens && block.stride == 1) return x;
  return convolution(net, x, names.shortcut(block.stage, block.index), block.width, 1, block.stride, 1);
}

Value residual_block(Network& net, Value x, const Names& names, const Resnet& resnet, const Block& block) {
  const auto name = [&](int index) { return names.convolution(block.stage, block.index, index); };
  const Value beside = shortcut(net, x, names, resnet, block);
  Value y;
  if (resnet.bottleneck) {
    const int inner = block.width / 4;
    const int first = resnet.stride_in_first ? block.stride : 1;
    y = net.graph.relu(convolution(net, x, name(0), inner, 1, first, 1));
    y = net.graph.relu(convolution(net, y, name(1), inner, 3, block.stride / first, block.dilation));
    y = convolution(net, y, name(2), block.width, 1, 1, 1);
  } else {
    y = net.graph.relu(convolution(net, x, name(0), block.width, 3, block.stride, block.dilation));
    y = convolution(net, y, name(1), block.width, 3, 1, 1);
  }
  return net.graph.relu(net.graph.add(y, beside));
}

}  // namespace

Result<Resnet> read_resnet(const nlohmann::json& config) {
  JsonFields fields(config);
  const bool dilated = fields.boolean("dilation", false);
  const std::string timm_name = fields.text("backbone", "");
  ASSAY_RETURN_IF_ERROR(fields.status());
  const auto inner = config.find("backbone_config");
  const bool has_inner = inner != config.end() && inner->is_object();
  if (!has_inner) {
    ASSAY_TRY(Resnet resnet, timm_resnet(timm_name.empty() ? "resnet50" : timm_name));
    resnet.dilate_last = dilated;
    ASSAY_RETURN_IF_ERROR(apply_arguments(config, resnet));
    return resnet;
  }
  JsonFields inner_fields(*inner);
  const std::string type = inner_fields.text("model_type", "resnet");
  const std::string inner_name = inner_fields.text("backbone", "");
  const std::int64_t output_stride = inner_fields.integer("output_stride", 32);
  ASSAY_RETURN_IF_ERROR(inner_fields.status());
  if (type == "timm_backbone") {
    ASSAY_TRY(Resnet resnet, timm_resnet(inner_name));
    if (output_stride != 32 && output_stride != 16)
      return Error{ErrorCode::kUnsupported,
                   "backbone_config.output_stride: " + std::to_string(output_stride) + ", expected 16 or 32"};
    resnet.dilate_last = dilated || output_stride == 16;
    return resnet;
  }
  if (type != "resnet" && type != "rt_detr_resnet")
    return Error{ErrorCode::kUnsupported, "backbone_config.model_type: " + quote(type) +
                                              ", expected resnet, rt_detr_resnet or timm_backbone"};
  if (dilated)
    return Error{ErrorCode::kUnsupported, "dilation: transformers' own ResNet cannot be dilated, timm's can"};
  ASSAY_TRY(Resnet resnet, native_resnet(*inner));
  resnet.vd = type == "rt_detr_resnet";
  return resnet;
}

std::vector<Value> resnet(Network& net, Value pixels, const std::string& name, const Resnet& description) {
  const Names names(net, name);
  Value x = net.graph.max_pool2d(stem(net, pixels, names, description), 3, {.stride = 2, .padding = 1});
  std::vector<Value> features;
  for (int stage = 0; stage < description.stages(); ++stage) {
    const auto at = static_cast<std::size_t>(stage);
    const bool dilated = description.dilate_last && stage + 1 == static_cast<int>(description.depths.size());
    const bool halves = (stage > 0 || description.stride_in_first_stage) && !dilated;
    for (int block = 0; block < description.depths[at]; ++block) {
      // The first block of a dilated stage still has the taps of the stage before it.
      const Block shape{stage, block, description.widths[at], halves && block == 0 ? 2 : 1,
                        dilated && block > 0 ? 2 : 1};
      x = residual_block(net, x, names, description, shape);
    }
    features.push_back(x);
  }
  return features;
}

}  // namespace assay::detect
