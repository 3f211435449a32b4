#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/family.h"
#include "engine/gguf_model.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

// The metadata of one architecture, read under its prefix; remembers the first error.
class Metadata {
 public:
  Metadata(const gguf::File& file, std::string_view architecture) : file_(file), prefix_(std::string(architecture) + ".") {}

  std::int64_t count(const char* key) {
    const auto value = file_.unsigned_integer(prefix_ + key);
    if (!value) return fail(value.error()), 0;
    return static_cast<std::int64_t>(std::min<std::uint64_t>(*value, std::uint64_t{1} << 40));
  }
  std::int64_t count(const char* key, std::int64_t fallback) { return has(key) ? count(key) : fallback; }
  double real(const char* key) {
    const auto value = file_.real(prefix_ + key);
    if (!value) return fail(value.error()), 0;
    return *value;
  }
  double real(const char* key, double fallback) { return has(key) ? real(key) : fallback; }
  bool boolean(const char* key, bool fallback) {
    if (!has(key)) return fallback;
    const auto value = file_.boolean(prefix_ + key);
    if (!value) return fail(value.error()), fallback;
    return *value;
  }
  std::string text(const char* key, const std::string& fallback) {
    if (!has(key)) return fallback;
    const auto value = file_.string(prefix_ + key);
    if (!value) return fail(value.error()), fallback;
    return *value;
  }
  bool has(const char* key) const { return file_.find(prefix_ + key) != nullptr; }
  void fail(const Error& error) {
    if (!error_) error_ = error;
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const gguf::File& file_;
  std::string prefix_;
  std::optional<Error> error_;
};

Result<std::vector<float>> float_tensor(const gguf::File& file, const char* name) {
  ASSAY_TRY(const TensorView tensor, file.tensor(name));
  if (tensor.dtype != DType::kF32) return Error{ErrorCode::kCorrupt, std::string(name) + ": expected F32"};
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

// llama.cpp folds Llama 3's scaling into a tensor of divisors, and the parameters it came from are not in the file.
// LongRoPE with the divisors as both sets of factors is the same mathematics, and transformers loads it.
Result<ordered_json> scaling_by_divisors(const gguf::File& file, std::int64_t max_positions) {
  ASSAY_TRY(const auto divisors, float_tensor(file, "rope_freqs.weight"));
  return ordered_json{{"rope_type", "longrope"},
                      {"short_factor", divisors},
                      {"long_factor", divisors},
                      {"factor", 1.0},
                      {"attention_factor", 1.0},
                      {"original_max_position_embeddings", max_positions}};
}

Status add_rope(const gguf::File& file, Metadata& metadata, std::string_view type, ordered_json& config) {
  const bool neox = type == "gpt_neox";
  const double theta = metadata.real("rope.freq_base", type == "gemma3_text" ? 1e6 : 10000.0);
  config["rope_theta"] = theta;
  const std::int64_t head_dim = config["head_dim"];
  const std::int64_t rotary = metadata.count("rope.dimension_count", head_dim);
  if (rotary != head_dim || neox) {
    config[neox ? "rotary_pct" : "partial_rotary_factor"] = static_cast<double>(rotary) / static_cast<double>(std::max<std::int64_t>(head_dim, 1));
  }
  if (neox) config["rotary_emb_base"] = theta;
  if (file.has_tensor("rope_freqs.weight")) {
    ASSAY_TRY(config["rope_scaling"], scaling_by_divisors(file, config["max_position_embeddings"]));
    return {};
  }
  if (file.has_tensor("rope_factors_long.weight")) {
    ASSAY_TRY(const auto long_factors, float_tensor(file, "rope_factors_long.weight"));
    ASSAY_TRY(const auto short_factors, float_tensor(file, "rope_factors_short.weight"));
    config["original_max_position_embeddings"] = metadata.count("rope.scaling.original_context_length", config["max_position_embeddings"]);
    config["rope_scaling"] = {{"type", "longrope"}, {"long_factor", long_factors}, {"short_factor", short_factors}};
    if (metadata.has("rope.scaling.attn_factor")) config["rope_scaling"]["attention_factor"] = metadata.real("rope.scaling.attn_factor");
    return {};
  }
  const std::string scaling = metadata.text("rope.scaling.type", "none");
  if (scaling == "linear") {
    config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", metadata.real("rope.scaling.factor", 1.0)}};
  } else if (scaling == "yarn") {
    config["rope_scaling"] = {{"rope_type", "yarn"},
                              {"factor", metadata.real("rope.scaling.factor", 1.0)},
                              {"original_max_position_embeddings", metadata.count("rope.scaling.original_context_length", config["max_position_embeddings"])}};
  } else if (scaling != "none" && scaling != "longrope") {
    return Error{ErrorCode::kUnsupported, "rope.scaling.type '" + scaling + "' is not one of none, linear, yarn, longrope"};
  }
  return {};
}

void add_gemma(Metadata& metadata, std::string_view type, ordered_json& config) {
  const std::int64_t layers = config["num_hidden_layers"];
  const std::int64_t heads = config["num_attention_heads"];
  // The 27 B models scale by the hidden size per head, all others by the head's own dimension (llama.cpp does the same).
  const bool largest = layers == (type == "gemma2" ? 46 : 62);
  config["query_pre_attn_scalar"] = largest ? static_cast<std::int64_t>(config["hidden_size"]) / std::max<std::int64_t>(heads, 1)
                                            : static_cast<std::int64_t>(config["head_dim"]);
  config["sliding_window"] = metadata.count("attention.sliding_window", 4096);
  config["hidden_activation"] = "gelu_pytorch_tanh";
  if (type == "gemma2") {
    config["attn_logit_softcapping"] = metadata.real("attn_logit_softcapping", 50.0);
    config["final_logit_softcapping"] = metadata.real("final_logit_softcapping", 30.0);
  } else {
    config["sliding_window_pattern"] = 6;
    config["rope_local_base_freq"] = metadata.real("rope.freq_base_swa", 10000.0);
  }
}

void add_token_id(const gguf::File& file, const char* gguf_key, const char* key, ordered_json& config) {
  const auto id = file.unsigned_integer(gguf_key);
  if (id) config[key] = *id;
}

ordered_json gpt2_config(Metadata& metadata) {
  return {{"n_embd", metadata.count("embedding_length")},       {"n_layer", metadata.count("block_count")},
          {"n_head", metadata.count("attention.head_count")},   {"n_positions", metadata.count("context_length")},
          {"n_inner", metadata.count("feed_forward_length")},   {"activation_function", "gelu_new"},
          {"layer_norm_epsilon", metadata.real("attention.layer_norm_epsilon", 1e-5)}};
}

Result<ordered_json> common_config(const gguf::File& file, Metadata& metadata, const Family& family) {
  const std::string_view type = family.model_type;
  ordered_json config{{"hidden_size", metadata.count("embedding_length")},
                      {"intermediate_size", metadata.count("feed_forward_length")},
                      {"num_hidden_layers", metadata.count("block_count")},
                      {"num_attention_heads", metadata.count("attention.head_count")},
                      {"max_position_embeddings", metadata.count("context_length")}};
  if (metadata.error()) return *metadata.error();
  const std::int64_t heads = std::max(config["num_attention_heads"].get<std::int64_t>(), std::int64_t{1});
  config["num_key_value_heads"] = metadata.count("attention.head_count_kv", heads);
  config["head_dim"] = metadata.count("attention.key_length", static_cast<std::int64_t>(config["hidden_size"]) / heads);
  if (family.norm == NormKind::kLayer) {
    config["layer_norm_eps"] = metadata.real("attention.layer_norm_epsilon", 1e-5);
    config["use_parallel_residual"] = metadata.boolean("use_parallel_residual", true);
    config["hidden_act"] = "gelu";
  } else {
    config["rms_norm_eps"] = metadata.real("attention.layer_norm_rms_epsilon", 1e-6);
    config["hidden_act"] = "silu";
  }
  if (type.starts_with("gemma")) add_gemma(metadata, type, config);
  if (type == "phi3" && metadata.has("attention.sliding_window")) config["sliding_window"] = metadata.count("attention.sliding_window");
  if (type == "llama") config["attention_bias"] = file.has_tensor("blk.0.attn_q.bias");
  ASSAY_RETURN_IF_ERROR(add_rope(file, metadata, type, config));
  return config;
}

}  // namespace

Result<std::string> config_json_from_gguf(const gguf::File& file) {
  ASSAY_TRY(const std::string architecture, file.string("general.architecture"));
  const Family* family = find_family_of_gguf(architecture);
  if (family == nullptr) {
    return Error{ErrorCode::kUnsupported, "architecture '" + architecture + "' is not known; known are: " + known_families()};
  }
  Metadata metadata(file, architecture);
  ordered_json config{{"architectures", {std::string(family->architecture)}}, {"model_type", std::string(family->model_type)}};
  ASSAY_TRY(const TensorView embedding, file.tensor("token_embd.weight"));
  if (embedding.shape.size() != 2) return Error{ErrorCode::kCorrupt, "token_embd.weight: expected a matrix"};
  config["vocab_size"] = embedding.shape[0];
  ordered_json rest;
  if (family->model_type == "gpt2") {
    rest = gpt2_config(metadata);
  } else {
    ASSAY_TRY(rest, common_config(file, metadata, *family));
  }
  config.update(rest);
  config["tie_word_embeddings"] = !file.has_tensor("output.weight");
  add_token_id(file, "tokenizer.ggml.bos_token_id", "bos_token_id", config);
  add_token_id(file, "tokenizer.ggml.eos_token_id", "eos_token_id", config);
  config["torch_dtype"] = "float32";
  if (metadata.error()) return *metadata.error();
  return config.dump(2) + "\n";
}

}  // namespace assay
