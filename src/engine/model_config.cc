#include "engine/model_config.h"

#include <cmath>

#include "formats/json/json_fields.h"
#include "engine/rope.h"

namespace assay {
namespace {

using nlohmann::json;

// Sizes beyond these are no model but a lying file; they also keep every product of two of them within 64 bits.
constexpr std::int64_t kMaxDimension = 1 << 24;
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::int64_t kMaxPositions = std::int64_t{1} << 32;

Result<Activation> parse_activation(const std::string& name) {
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::kGeluTanh;
  if (name == "gelu") return Activation::kGeluErf;
  if (name == "relu") return Activation::kRelu;
  return Error{ErrorCode::kUnsupported, "activation '" + name + "' is not one of silu, gelu, gelu_new, gelu_pytorch_tanh, relu"};
}

void read_token_ids(const json& object, ModelConfig& config) {
  const auto bos = object.find("bos_token_id");
  if (bos != object.end() && bos->is_number_integer()) config.bos_id = bos->get<std::int64_t>();
  const auto eos = object.find("eos_token_id");
  if (eos == object.end()) return;
  if (eos->is_number_integer()) config.eos_ids.push_back(eos->get<std::int64_t>());
  if (!eos->is_array()) return;
  for (const auto& id : *eos) {
    if (id.is_number_integer()) config.eos_ids.push_back(id.get<std::int64_t>());
  }
}

// The keys that GPT-2 spells in its own way.
Status read_gpt2_sizes(JsonFields& fields, ModelConfig& config) {
  config.hidden_size = fields.required_count("n_embd", kMaxDimension);
  config.num_layers = fields.required_count("n_layer", kMaxLayers);
  config.num_heads = fields.required_count("n_head", kMaxDimension);
  config.max_positions = fields.required_count("n_positions", kMaxPositions);
  config.intermediate_size = fields.integer("n_inner", 4 * config.hidden_size);
  config.norm_epsilon = static_cast<float>(fields.number("layer_norm_epsilon", 1e-5));
  if (fields.boolean("scale_attn_by_inverse_layer_idx", false) || !fields.boolean("scale_attn_weights", true)) {
    return Error{ErrorCode::kUnsupported, "scale_attn_by_inverse_layer_idx and unscaled attention are not supported"};
  }
  return {};
}

void read_common_sizes(JsonFields& fields, ModelConfig& config) {
  config.hidden_size = fields.required_count("hidden_size", kMaxDimension);
  config.num_layers = fields.required_count("num_hidden_layers", kMaxLayers);
  config.num_heads = fields.required_count("num_attention_heads", kMaxDimension);
  config.max_positions = fields.required_count("max_position_embeddings", kMaxPositions);
  const char* intermediate = fields.has("ffn_dim") ? "ffn_dim" : "intermediate_size";
  config.intermediate_size = fields.required_count(intermediate, kMaxDimension);
  const bool layer_norm = config.family->norm == NormKind::kLayer;
  config.norm_epsilon = static_cast<float>(layer_norm ? fields.number("layer_norm_eps", 1e-5) : fields.number("rms_norm_eps", 1e-6));
}

std::string default_activation(std::string_view model_type) {
  if (model_type == "gpt2") return "gelu_new";
  if (model_type == "opt") return "relu";
  if (model_type == "gpt_neox") return "gelu";
  if (model_type.starts_with("gemma")) return "gelu_pytorch_tanh";
  return "silu";
}

// Which layers attend within a window, from layer_types or from the family's own rule.
Status read_windows(JsonFields& fields, const json& object, ModelConfig& config) {
  const std::string_view type = config.family->model_type;
  config.windows.assign(static_cast<std::size_t>(config.num_layers), 0);
  config.local_rope.assign(static_cast<std::size_t>(config.num_layers), false);
  const bool never = type == "gpt2" || type == "opt" || type == "gpt_neox" || type == "llama";
  const bool by_flag = type == "qwen2" || type == "qwen3";
  if (never || (by_flag && !fields.boolean("use_sliding_window", false))) return {};
  const std::int64_t window = fields.integer("sliding_window", type.starts_with("gemma") || by_flag ? 4096 : 0);
  if (window < 0) return Error{ErrorCode::kCorrupt, "sliding_window: expected a positive integer"};

  const auto types = object.find("layer_types");
  const bool explicit_types = types != object.end() && types->is_array();
  if (explicit_types && static_cast<std::int64_t>(types->size()) != config.num_layers) {
    return Error{ErrorCode::kCorrupt, "layer_types: has " + std::to_string(types->size()) + " entries, expected num_hidden_layers = " +
                                          std::to_string(config.num_layers)};
  }
  const std::int64_t pattern = fields.integer("sliding_window_pattern", 6);
  if (pattern < 1) return Error{ErrorCode::kCorrupt, "sliding_window_pattern: expected a positive integer"};
  const std::int64_t max_window_layers = fields.integer("max_window_layers", 28);
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    const auto index = static_cast<std::size_t>(layer);
    bool sliding = window > 0;  // Mistral and Phi-3: every layer
    if (explicit_types) {
      sliding = (*types)[index] == "sliding_attention";
    } else if (type == "gemma2") {
      sliding = layer % 2 == 0;
    } else if (type == "gemma3_text") {
      sliding = (layer + 1) % pattern != 0;
    } else if (by_flag) {
      sliding = layer >= max_window_layers;
    }
    if (sliding) config.windows[index] = window;
    config.local_rope[index] = sliding && type == "gemma3_text";
  }
  return {};
}

Status read_attention(JsonFields& fields, ModelConfig& config) {
  config.num_kv_heads = fields.integer("num_key_value_heads", config.num_heads);
  const std::string_view type = config.family->model_type;
  std::int64_t default_head_dim = config.hidden_size / config.num_heads;
  if (type.starts_with("gemma")) default_head_dim = 256;
  if (type == "qwen3") default_head_dim = 128;
  config.head_dim = fields.integer("head_dim", default_head_dim);
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (config.num_kv_heads < 1 || config.num_heads % config.num_kv_heads != 0) {
    return Error{ErrorCode::kCorrupt, "num_key_value_heads: " + std::to_string(config.num_kv_heads) +
                                          " does not divide num_attention_heads = " + std::to_string(config.num_heads)};
  }
  if (config.head_dim < 1 || config.head_dim > kMaxDimension) {
    return Error{ErrorCode::kCorrupt, "head_dim: " + std::to_string(config.head_dim) + " is not a size"};
  }
  if (config.head_dim * config.num_heads != config.hidden_size && !fields.has("head_dim") && !type.starts_with("gemma") && type != "qwen3") {
    return Error{ErrorCode::kCorrupt, "hidden_size: " + std::to_string(config.hidden_size) +
                                          " is not a multiple of num_attention_heads = " + std::to_string(config.num_heads)};
  }
  double scalar = static_cast<double>(config.head_dim);
  if (type.starts_with("gemma")) scalar = fields.number("query_pre_attn_scalar", 256);
  if (!(scalar > 0)) return Error{ErrorCode::kCorrupt, "query_pre_attn_scalar: expected a positive number"};
  config.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));
  if (type.starts_with("gemma")) {
    // An explicit null switches the cap off; only an absent key takes the default of Gemma 2.
    const auto cap = [&](const char* key, double gemma2_default) {
      const bool by_default = type == "gemma2" && !fields.mentions(key);
      return static_cast<float>(fields.number(key, by_default ? gemma2_default : 0.0));
    };
    config.attention_softcap = cap("attn_logit_softcapping", 50.0);
    config.final_softcap = cap("final_logit_softcapping", 30.0);
  }
  if (type.starts_with("gemma") && fields.boolean("use_bidirectional_attention", false)) {
    return Error{ErrorCode::kUnsupported, "use_bidirectional_attention is not supported: the engine generates text from left to right"};
  }
  return {};
}

Result<const Family*> read_family(JsonFields& fields) {
  const std::string type = fields.text("model_type", "");
  ASSAY_RETURN_IF_ERROR(fields.status());
  const Family* family = find_family(type);
  if (family == nullptr) {
    return Error{ErrorCode::kUnsupported, (type.empty() ? "model_type: is missing" : "architecture '" + type + "' is not known") +
                                              "; known are: " + known_families()};
  }
  return family;
}

void read_peculiarities(JsonFields& fields, ModelConfig& config) {
  const std::string_view type = config.family->model_type;
  const bool tied_by_default = type == "gpt2" || type == "opt" || type.starts_with("gemma");
  config.tied_embeddings = fields.boolean("tie_word_embeddings", tied_by_default);
  config.embedding_dim = config.hidden_size;
  if (type == "opt") {
    config.embedding_dim = fields.integer("word_embed_proj_dim", config.hidden_size);
    config.norm_before = fields.boolean("do_layer_norm_before", true);
  }
  if (type == "gpt_neox") config.parallel_residual = fields.boolean("use_parallel_residual", true);
  if (type.starts_with("gemma")) config.embedding_scale = std::sqrt(static_cast<float>(config.hidden_size));
}

}  // namespace

Result<ModelConfig> parse_model_config(ByteView config_json) {
  ASSAY_TRY(const json object, parse_json_object(config_json));
  JsonFields fields(object);
  ModelConfig config;
  ASSAY_TRY(config.family, read_family(fields));
  config.vocab_size = fields.required_count("vocab_size", kMaxDimension);
  if (config.family->model_type == "gpt2") {
    ASSAY_RETURN_IF_ERROR(read_gpt2_sizes(fields, config));
  } else {
    read_common_sizes(fields, config);
  }
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (config.intermediate_size < 1 || config.intermediate_size > kMaxDimension) {
    return Error{ErrorCode::kCorrupt, "intermediate size: " + std::to_string(config.intermediate_size) + " is not a size"};
  }
  ASSAY_RETURN_IF_ERROR(read_attention(fields, config));
  read_peculiarities(fields, config);
  if (config.embedding_dim < 1 || config.embedding_dim > kMaxDimension) {
    return Error{ErrorCode::kCorrupt, "word_embed_proj_dim: " + std::to_string(config.embedding_dim) + " is not a size"};
  }
  ASSAY_RETURN_IF_ERROR(read_windows(fields, object, config));
  if (config.family->positions.empty()) {
    ASSAY_RETURN_IF_ERROR(read_rope(object, config));
  }
  const char* activation_key = fields.has("hidden_activation")     ? "hidden_activation"
                               : fields.has("activation_function") ? "activation_function"
                                                                   : "hidden_act";
  ASSAY_TRY(config.activation, parse_activation(fields.text(activation_key, default_activation(config.family->model_type))));
  read_token_ids(object, config);
  ASSAY_RETURN_IF_ERROR(fields.status());
  return config;
}

}  // namespace assay
