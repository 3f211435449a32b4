#include "detect/families/detr_layers.h"

#include "detect/families/labels.h"
#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

constexpr int kMostChannels = 1 << 16, kMostLayers = 64, kMostQueries = 1 << 14;

}  // namespace

Result<DetrConfig> read_detr_config(const nlohmann::json& config) {
  JsonFields fields(config);
  DetrConfig detr{};
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
  detr.labels = static_cast<int>(labels.size());
  ASSAY_TRY(detr.backbone, read_resnet(config));
  return detr;
}

Status refuse_auxiliary_loss(const nlohmann::json& config) {
  JsonFields fields(config);
  const bool auxiliary = fields.boolean("auxiliary_loss", false);
  ASSAY_RETURN_IF_ERROR(fields.status());
  // transformers 5 then normalizes between the layers of the decoder, which earlier versions did not.
  if (auxiliary)
    return Error{
        ErrorCode::kUnsupported,
        "auxiliary_loss: true, which versions of transformers compute differently; set it to false if the "
        "model was trained before version 5"};
  return {};
}

std::vector<Value> detr_backbone(Network& net, Value pixels, const Resnet& backbone) {
  const std::string found = net.weights.first_of(
      {"model.backbone.conv_encoder.model.conv1.weight", "model.backbone.model.conv1.weight",
       "model.backbone.conv_encoder.model.embedder.embedder.convolution.weight",
       "model.backbone.model.embedder.embedder.convolution.weight"});
  const bool nested = found.starts_with("model.backbone.conv_encoder");
  return resnet(net, pixels, nested ? "model.backbone.conv_encoder.model" : "model.backbone.model", backbone);
}

EncodedPicture detr_encoder(Network& net, const DetrConfig& detr, Value pixels, Value pixel_mask) {
  const Value features = detr_backbone(net, pixels, detr.backbone).back();
  const FeatureGrid grid = feature_grid(net.graph, features, pixel_mask, detr.channels);
  Value x = tokens_of(net, conv(net, features, "model.input_projection", detr.channels, 1, {}));
  for (int layer = 0; layer < detr.encoder_layers; ++layer) {
    const std::string name = "model.encoder.layers." + std::to_string(layer);
    x = self_attention(net, x, grid.positions, name, detr.encoder_layer, grid.scores);
    x = feed_forward(net, x, name, detr.encoder_layer);
  }
  return {x, grid};
}

Value query_positions(Network& net, int queries, int channels) {
  return parameter(net, "model.query_position_embeddings.weight", {queries, channels});
}

}  // namespace assay::detect
