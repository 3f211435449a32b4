#include "detect/families/rt_detr_config.h"

#include <algorithm>

#include "detect/families/labels.h"
#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

constexpr int kMostChannels = 1 << 16, kMostLayers = 64, kMostQueries = 1 << 14, kMostPoints = 64,
              kMostLevels = 8;

Error unsupported(const std::string& key, const std::string& found, const std::string& expected) {
  return {ErrorCode::kUnsupported, key + ": " + found + ", expected " + expected};
}

// What no published checkpoint asks for.
Status check_switches(JsonFields& fields) {
  const bool refined = fields.boolean("with_box_refine", true);
  const bool normalized_before = fields.boolean("normalize_before", false);
  const bool fixed_anchors = fields.has("anchor_image_size");
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (!refined) return unsupported("with_box_refine", "false", "true");
  if (normalized_before) return unsupported("normalize_before", "true", "false");
  if (fixed_anchors) return unsupported("anchor_image_size", "a size", "null");
  return {};
}

Result<Nonlinearity> read_activation(JsonFields& fields, const char* key, const char* fallback) {
  const std::string name = fields.text(key, fallback);
  ASSAY_RETURN_IF_ERROR(fields.status());
  const auto kind = nonlinearity_from_name(name);
  if (!kind) return unsupported(key, quote(name), "relu, gelu or silu");
  return *kind;
}

Status read_encoder(JsonFields& fields, const nlohmann::json& config, RtDetr& detr) {
  const auto count = [&](const char* key, int fallback, int most) {
    return static_cast<int>(fields.count(key, fallback, most));
  };
  detr.encoder_channels = count("encoder_hidden_dim", 256, kMostChannels);
  const std::int64_t layers = fields.integer("encoder_layers", 1);
  detr.encoder_layer.heads = count("encoder_attention_heads", 8, kMostChannels);
  detr.encoder_layer.inner_width = count("encoder_ffn_dim", 1024, kMostChannels);
  detr.temperature = fields.number("positional_encoding_temperature", 10000.0);
  detr.expansion = fields.number("hidden_expansion", 1.0);
  detr.batch_norm_epsilon = static_cast<float>(fields.number("batch_norm_eps", 1e-5));
  // transformers leaves the positions out where it was told a size for evaluation.
  detr.has_positions = !fields.has("eval_size");
  ASSAY_TRY(detr.encoder_layer.activation, read_activation(fields, "encoder_activation_function", "gelu"));
  ASSAY_TRY(detr.activation, read_activation(fields, "activation_function", "silu"));
  if (layers < 0 || layers > kMostLayers)
    return unsupported("encoder_layers", std::to_string(layers), "0 to " + std::to_string(kMostLayers));
  detr.encoder_layers = static_cast<int>(layers);
  if (!(detr.expansion > 0 && detr.expansion * detr.encoder_channels >= 1 && detr.expansion <= 16))
    return unsupported("hidden_expansion", std::to_string(detr.expansion), "a factor that leaves a channel");
  if (!(detr.temperature > 1)) return unsupported("positional_encoding_temperature", "1 or less", "more");
  if (detr.encoder_channels % 4 != 0 || detr.encoder_channels % detr.encoder_layer.heads != 0)
    return Error{ErrorCode::kCorrupt, "encoder_hidden_dim: " + std::to_string(detr.encoder_channels) +
                                          ", expected a multiple of 4 and of encoder_attention_heads"};
  const int levels = static_cast<int>(detr.input_channels.size());
  const auto found = config.find("encode_proj_layers");
  const nlohmann::json transformed =
      found == config.end() || found->is_null() ? nlohmann::json::array({2}) : *found;
  for (const auto& entry : transformed) {
    const std::int64_t level = entry.is_number_integer() ? entry.get<std::int64_t>() : -1;
    if (level < 0 || level >= levels)
      return unsupported("encode_proj_layers", transformed.dump(),
                         "levels from 0 to " + std::to_string(levels - 1));
    detr.transformed.push_back(static_cast<int>(level));
  }
  return {};
}

// One number for every level, or a list.
Result<std::vector<int>> read_points(JsonFields& fields, const nlohmann::json& config, std::size_t levels) {
  const auto found = config.find("decoder_n_points");
  if (found == config.end() || !found->is_array()) {
    const auto points = static_cast<int>(fields.count("decoder_n_points", 4, kMostPoints));
    ASSAY_RETURN_IF_ERROR(fields.status());
    return std::vector<int>(levels, points);
  }
  const std::vector<int> points = fields.counts("decoder_n_points", {}, kMostPoints);
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (points.size() != levels)
    return unsupported("decoder_n_points", found->dump(),
                       "one for each of " + std::to_string(levels) + " levels");
  return points;
}

Status read_decoder(JsonFields& fields, const nlohmann::json& config, RtDetr& detr) {
  const auto count = [&](const char* key, int fallback, int most) {
    return static_cast<int>(fields.count(key, fallback, most));
  };
  const int levels = static_cast<int>(detr.input_channels.size());
  detr.channels = count("d_model", 256, kMostChannels);
  detr.queries = count("num_queries", 300, kMostQueries);
  detr.learned_queries = fields.boolean("learn_initial_query", false);
  detr.decoder_layers = count("decoder_layers", 6, kMostLayers);
  detr.decoder_layer.heads = count("decoder_attention_heads", 8, kMostChannels);
  detr.decoder_layer.inner_width = count("decoder_ffn_dim", 1024, kMostChannels);
  detr.offset_scale = static_cast<float>(fields.number("decoder_offset_scale", 0.5));
  const std::string method = fields.text("decoder_method", "default");
  ASSAY_TRY(detr.decoder_layer.activation, read_activation(fields, "decoder_activation_function", "relu"));
  ASSAY_TRY(detr.points, read_points(fields, config, detr.input_channels.size()));
  for (const char* key : {"num_feature_levels", "decoder_n_levels"}) {
    const int found = count(key, levels, kMostLevels);
    ASSAY_RETURN_IF_ERROR(fields.status());
    if (found != levels)
      return unsupported(key, std::to_string(found), std::to_string(levels) + " as in decoder_in_channels");
  }
  if (method != "default" && method != "discrete")
    return unsupported("decoder_method", quote(method), "default or discrete");
  detr.nearest = method == "discrete";
  if (detr.channels % detr.decoder_layer.heads != 0)
    return Error{ErrorCode::kCorrupt, "d_model: " + std::to_string(detr.channels) +
                                          ", expected a multiple of decoder_attention_heads"};
  return {};
}

}  // namespace

Result<RtDetr> read_rt_detr(const nlohmann::json& config) {
  JsonFields fields(config);
  RtDetr detr;
  ASSAY_RETURN_IF_ERROR(check_switches(fields));
  detr.input_channels = fields.counts("decoder_in_channels", {256, 256, 256}, kMostChannels);
  const auto epsilon = static_cast<float>(fields.number("layer_norm_eps", 1e-5));
  detr.encoder_layer.epsilon = detr.decoder_layer.epsilon = epsilon;
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (detr.input_channels.size() > kMostLevels)
    return unsupported("decoder_in_channels", std::to_string(detr.input_channels.size()) + " levels",
                       "at most " + std::to_string(kMostLevels));
  ASSAY_RETURN_IF_ERROR(read_encoder(fields, config, detr));
  ASSAY_RETURN_IF_ERROR(read_decoder(fields, config, detr));
  ASSAY_TRY(const auto labels, labels_of(config));
  detr.classes = static_cast<int>(labels.size());
  return detr;
}

}  // namespace assay::detect
