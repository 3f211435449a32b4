#include <array>
#include <string>

#include "detect/families/bicubic.h"
#include "detect/families/family.h"
#include "detect/families/labels.h"
#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

constexpr int kMostChannels = 1 << 16, kMostLayers = 64, kMostTokens = 1 << 14, kMostPixels = 1 << 14;

struct Yolos {
  int channels, layers, heads, width, detections, patch;
  int labels;         // without "no object"
  int rows, columns;  // patches of the pictures that the position embeddings are made for
  float epsilon;
  bool positions_between;
  Nonlinearity activation;
};

// [height, width], or one number for both.
Result<std::array<int, 2>> pair_of(const nlohmann::json& config, const char* key,
                                   std::array<int, 2> otherwise) {
  const auto found = config.find(key);
  if (found == config.end()) return otherwise;
  const auto list = found->is_array() ? *found : nlohmann::json::array({*found, *found});
  std::array<int, 2> result{};
  bool good = list.size() == 2;
  for (std::size_t i = 0; good && i < 2; ++i) {
    good = list[i].is_number_integer() && list[i].get<std::int64_t>() >= 1 &&
           list[i].get<std::int64_t>() <= kMostPixels;
    if (good) result[i] = list[i].get<int>();
  }
  if (good) return result;
  return Error{ErrorCode::kCorrupt,
               std::string(key) + ": expected one or two integers from 1 to " + std::to_string(kMostPixels)};
}

Result<Yolos> read_yolos(const nlohmann::json& config) {
  JsonFields fields(config);
  Yolos yolos{};
  const auto count = [&](const char* key, int most) {
    return static_cast<int>(fields.required_count(key, most));
  };
  yolos.channels = count("hidden_size", kMostChannels);
  yolos.layers = count("num_hidden_layers", kMostLayers);
  yolos.heads = count("num_attention_heads", kMostChannels);
  yolos.width = count("intermediate_size", kMostChannels);
  yolos.detections = count("num_detection_tokens", kMostTokens);
  yolos.epsilon = static_cast<float>(fields.number("layer_norm_eps", 1e-12));
  yolos.positions_between = fields.boolean("use_mid_position_embeddings", true);
  const bool biased = fields.boolean("qkv_bias", true);
  const std::string activation = fields.text("hidden_act", "gelu");
  ASSAY_RETURN_IF_ERROR(fields.status());
  const auto kind = nonlinearity_from_name(activation);
  if (!kind) return Error{ErrorCode::kUnsupported, "hidden_act: " + quote(activation)};
  yolos.activation = *kind;
  if (!biased) return Error{ErrorCode::kUnsupported, "qkv_bias: false, expected true"};
  if (yolos.channels % yolos.heads != 0)
    return Error{ErrorCode::kCorrupt, "hidden_size: " + std::to_string(yolos.channels) +
                                          ", expected a multiple of num_attention_heads"};
  ASSAY_TRY(const auto picture, pair_of(config, "image_size", {512, 864}));
  ASSAY_TRY(const auto patch, pair_of(config, "patch_size", {16, 16}));
  if (patch[0] != patch[1])
    return Error{ErrorCode::kUnsupported, "patch_size: expected the same for height and width"};
  yolos.patch = patch[0];
  yolos.rows = picture[0] / yolos.patch;
  yolos.columns = picture[1] / yolos.patch;
  if (yolos.rows < 1 || yolos.columns < 1)
    return Error{ErrorCode::kCorrupt, "image_size: smaller than patch_size"};
  ASSAY_TRY(const auto labels, labels_of(config));
  yolos.labels = static_cast<int>(labels.size());
  return yolos;
}

// One table of position embeddings for each layer that has one: class token, patches, detection tokens. The
// patches' are resized to those of the picture, rows x columns. [tokens, channels] of each part.
struct Positions {
  std::vector<float> first, patches, detections;
};
std::vector<Positions> resized(Network& net, const Yolos& yolos, const std::string& name, Shape before,
                               int rows, int columns) {
  const int old = yolos.rows * yolos.columns;
  Shape shape = before;
  shape.insert(shape.end(), {1, 1 + old + yolos.detections, yolos.channels});
  const std::vector<float> values = net.weights.floats(name, shape);
  std::vector<Positions> tables;
  auto from = values.begin();
  while (from != values.end()) {
    const auto next = [&](int tokens) {
      const auto end = from + static_cast<std::ptrdiff_t>(tokens) * yolos.channels;
      std::vector<float> part(from, end);
      from = end;
      return part;
    };
    Positions table;
    table.first = next(1);
    table.patches = resize_bicubic(next(old), yolos.rows, yolos.columns, yolos.channels, rows, columns);
    table.detections = next(yolos.detections);
    tables.push_back(std::move(table));
  }
  return tables;
}

// x is [tokens, channels]; `kept` of its last tokens come out.
Value layer(Network& net, const Yolos& yolos, Value x, int kept, const std::string& name) {
  GraphBuilder& graph = net.graph;
  const auto last = [&](Value tokens) {
    return graph.slice(tokens, {graph.extent(tokens, 0) - kept, 0}, {kept, yolos.channels});
  };
  const std::string projection = name + ".attention.attention.";
  const AttentionNames names = {projection + "query", projection + "key", projection + "value",
                                name + ".attention.output.dense"};
  const Value normed = layer_norm(net, x, name + ".layernorm_before", yolos.epsilon);
  x = graph.add(last(x), attention(net, last(normed), normed, normed, names, yolos.heads));
  const Value inner = apply(net,
                            linear(net, layer_norm(net, x, name + ".layernorm_after", yolos.epsilon),
                                   name + ".intermediate.dense", yolos.width),
                            yolos.activation);
  return graph.add(x, linear(net, inner, name + ".output.dense", yolos.channels));
}

}  // namespace

Result<Queries> build_yolos(Network& net, const nlohmann::json& config, const Picture& picture) {
  ASSAY_TRY(const Yolos yolos, read_yolos(config));
  GraphBuilder& graph = net.graph;
  const int channels = yolos.channels;
  // A head for classification that detection does not use.
  net.weights.ignore("vit.pooler.");
  const Value patches = conv(net, picture.pixels, "vit.embeddings.patch_embeddings.projection", channels,
                             yolos.patch, {.stride = yolos.patch});
  const int rows = graph.extent(patches, 1), columns = graph.extent(patches, 2);
  const auto positions = resized(net, yolos, "vit.embeddings.position_embeddings", {}, rows, columns);
  const Value first = parameter(net, "vit.embeddings.cls_token", {1, 1, channels});
  const Value detections = parameter(net, "vit.embeddings.detection_tokens", {1, yolos.detections, channels});
  graph.set_scope("vit.embeddings");
  const auto placed = [&](Value tokens, const std::vector<float>& at) {
    const Shape shape = {static_cast<int>(at.size()) / channels, channels};
    return graph.add(graph.reshape(tokens, shape), graph.constant(shape, at));
  };
  Value x;
  if (!positions.empty() && patches.exists())
    x = graph.concat({placed(first, positions[0].first), placed(patches, positions[0].patches),
                      placed(detections, positions[0].detections)},
                     0);
  std::vector<Positions> between;
  if (yolos.positions_between && yolos.layers > 1) {
    const std::string name = net.weights.first_of(
        {"vit.encoder.mid_position_embeddings", "vit.encoder.interpolation.mid_position_embeddings"});
    between = resized(net, yolos, name, {yolos.layers - 1}, rows, columns);
  }
  for (int i = 0; i < yolos.layers; ++i) {
    // Of the last layer only the detection tokens are read.
    const int kept = i + 1 == yolos.layers ? yolos.detections : graph.extent(x, 0);
    const auto at = static_cast<std::size_t>(i);
    x = layer(net, yolos, x, kept, "vit.encoder.layer." + std::to_string(i));
    if (at >= between.size()) continue;
    graph.set_scope("vit.encoder.positions");
    std::vector<float> table = between[at].first;
    table.insert(table.end(), between[at].patches.begin(), between[at].patches.end());
    table.insert(table.end(), between[at].detections.begin(), between[at].detections.end());
    x = graph.add(x, graph.constant({static_cast<int>(table.size()) / channels, channels}, table));
  }
  x = layer_norm(net, x, "vit.layernorm", yolos.epsilon);
  return Queries{
      .logits = relu_layers(net, x, "class_labels_classifier", {channels, channels, yolos.labels + 1}),
      .boxes = graph.logistic(relu_layers(net, x, "bbox_predictor", {channels, channels, 4}))};
}

}  // namespace assay::detect
