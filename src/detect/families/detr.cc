#include <string>

#include "detect/families/family.h"
#include "detect/families/labels.h"
#include "detect/families/position.h"
#include "detect/families/resnet.h"
#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

constexpr int kMostChannels = 1 << 16, kMostLayers = 64, kMostQueries = 1 << 14;

struct Detr {
  int channels, encoder_layers, decoder_layers, queries;
  TransformerLayer encoder_layer, decoder_layer;
  int classes;  // without "no object"
  Resnet backbone;
};

Result<Detr> read_detr(const nlohmann::json& config) {
  JsonFields fields(config);
  Detr detr{};
  const auto count = [&](const char* key, int most) {
    return static_cast<int>(fields.required_count(key, most));
  };
  detr.channels = count("d_model", kMostChannels);
  detr.encoder_layers = count("encoder_layers", kMostLayers);
  detr.decoder_layers = count("decoder_layers", kMostLayers);
  detr.encoder_layer.heads = count("encoder_attention_heads", kMostChannels);
  detr.decoder_layer.heads = count("decoder_attention_heads", kMostChannels);
  detr.encoder_layer.inner_width = count("encoder_ffn_dim", kMostChannels);
  detr.decoder_layer.inner_width = count("decoder_ffn_dim", kMostChannels);
  detr.queries = count("num_queries", kMostQueries);
  const std::string activation = fields.text("activation_function", "relu");
  const std::string positions = fields.text("position_embedding_type", "sine");
  ASSAY_RETURN_IF_ERROR(fields.status());
  const auto kind = nonlinearity_from_name(activation);
  if (!kind) return Error{ErrorCode::kUnsupported, "activation_function: " + quote(activation)};
  detr.encoder_layer.activation = detr.decoder_layer.activation = *kind;
  if (positions != "sine")
    return Error{ErrorCode::kUnsupported, "position_embedding_type: " + quote(positions) + ", expected sine"};
  for (const int heads : {detr.encoder_layer.heads, detr.decoder_layer.heads}) {
    if (detr.channels % heads != 0 || detr.channels % 4 != 0)
      return Error{ErrorCode::kCorrupt, "d_model: " + std::to_string(detr.channels) +
                                            ", expected a multiple of 4 and of the attention heads"};
  }
  ASSAY_TRY(const auto labels, labels_of(config));
  detr.classes = static_cast<int>(labels.size());
  ASSAY_TRY(detr.backbone, read_resnet(config));
  return detr;
}

struct Memory {
  Value values, keys;  // keys: with their positions
};

Value decoder_layer(Network& net, const Detr& detr, Value x, Value queries, const Memory& memory,
                    const std::string& name) {
  const TransformerLayer& layer = detr.decoder_layer;
  x = self_attention(net, x, queries, name, layer);
  const Value seen = attention(net, net.graph.add(x, queries), memory.keys, memory.values,
                               projections(net, name + ".encoder_attn"), layer.heads);
  x = layer_norm(net, net.graph.add(x, seen), name + ".encoder_attn_layer_norm");
  return feed_forward(net, x, name, layer);
}

}  // namespace

Result<Queries> build_detr(Network& net, const nlohmann::json& config, Value pixels) {
  ASSAY_TRY(const Detr detr, read_detr(config));
  GraphBuilder& graph = net.graph;
  const std::string backbone =
      net.weights
              .first_of({"model.backbone.conv_encoder.model.conv1.weight",
                         "model.backbone.model.conv1.weight",
                         "model.backbone.conv_encoder.model.embedder.embedder.convolution.weight",
                         "model.backbone.model.embedder.embedder.convolution.weight"})
              .starts_with("model.backbone.conv_encoder")
          ? "model.backbone.conv_encoder.model"
          : "model.backbone.model";
  const Value features = resnet(net, pixels, backbone, detr.backbone).back();
  Value x = tokens_of(net, conv(net, features, "model.input_projection", detr.channels, 1, {}));
  const int height = graph.extent(features, 1), width = graph.extent(features, 2);
  const Value positions =
      graph.constant("model.positions", {height * width, detr.channels},
                     tflite::Data::own_values(sine_positions(height, width, detr.channels)));
  for (int layer = 0; layer < detr.encoder_layers; ++layer) {
    const std::string name = "model.encoder.layers." + std::to_string(layer);
    x = feed_forward(net, self_attention(net, x, positions, name, detr.encoder_layer), name,
                     detr.encoder_layer);
  }
  graph.set_scope("model.decoder");
  const Memory memory{x, graph.add(x, positions)};
  const Shape query_shape = {detr.queries, detr.channels};
  tflite::Data embeddings = net.weights.data("model.query_position_embeddings.weight", query_shape);
  const Value queries = embeddings.bytes().empty() ? Value{}
                                                   : graph.constant("model.query_position_embeddings.weight",
                                                                    query_shape, embeddings);
  Value y = graph.constant(query_shape, std::vector<float>(static_cast<std::size_t>(detr.queries) *
                                                           static_cast<std::size_t>(detr.channels)));
  for (int layer = 0; layer < detr.decoder_layers; ++layer)
    y = decoder_layer(net, detr, y, queries, memory, "model.decoder.layers." + std::to_string(layer));
  y = layer_norm(net, y, "model.decoder.layernorm");
  Queries result;
  result.logits = linear(net, y, "class_labels_classifier", detr.classes + 1);
  result.boxes = graph.logistic(relu_layers(net, y, "bbox_predictor", {detr.channels, detr.channels, 4}));
  return result;
}

}  // namespace assay::detect
