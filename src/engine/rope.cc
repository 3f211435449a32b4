#include "engine/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "formats/json/json_fields.h"

namespace assay {
namespace {

using nlohmann::json;

struct RopeSettings {
  double theta = 10000;
  double partial = 1.0;
  json scaling = json::object();  // rope_type and what it needs
};

std::vector<float> plain_frequencies(double theta, std::int64_t dim) {
  std::vector<float> frequencies(static_cast<std::size_t>(dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dim);
    frequencies[i] = 1.0f / std::pow(static_cast<float>(theta), exponent);
  }
  return frequencies;
}

Status scale_llama3(JsonFields& fields, Rope& rope) {
  const double factor = fields.number("factor", 8);
  const double low = fields.number("low_freq_factor", 1);
  const double high = fields.number("high_freq_factor", 4);
  const double original = static_cast<double>(fields.integer("original_max_position_embeddings", 8192));
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (!(factor > 0) || !(high > low)) return Error{ErrorCode::kCorrupt, "rope scaling llama3: factor must be positive and high_freq_factor above low_freq_factor"};
  for (float& frequency : rope.inverse_frequencies) {
    const double wavelength = 2 * std::numbers::pi / frequency;
    if (wavelength > original / low) {
      frequency = static_cast<float>(frequency / factor);
    } else if (wavelength >= original / high) {
      const double smooth = (original / wavelength - low) / (high - low);
      frequency = static_cast<float>((1 - smooth) * frequency / factor + smooth * frequency);
    }
  }
  return {};
}

Result<std::vector<float>> read_factors(const json& scaling, const char* key, std::size_t expected) {
  const auto found = scaling.find(key);
  if (found == scaling.end() || !found->is_array() || found->size() != expected) {
    return Error{ErrorCode::kCorrupt, std::string("rope scaling ") + key + ": expected a list of " + std::to_string(expected) + " numbers"};
  }
  std::vector<float> factors;
  for (const auto& value : *found) {
    if (!value.is_number()) return Error{ErrorCode::kCorrupt, std::string("rope scaling ") + key + ": holds a value that is no number"};
    factors.push_back(value.get<float>());
  }
  return factors;
}

Status scale_longrope(JsonFields& fields, const json& object, const json& scaling, std::int64_t max_positions, Rope& rope) {
  const std::size_t pairs = rope.inverse_frequencies.size();
  ASSAY_TRY(const auto short_factors, read_factors(scaling, "short_factor", pairs));
  ASSAY_TRY(const auto long_factors, read_factors(scaling, "long_factor", pairs));
  JsonFields outer(object);
  rope.original_max_positions = fields.integer("original_max_position_embeddings", outer.integer("original_max_position_embeddings", max_positions));
  const double original = static_cast<double>(rope.original_max_positions);
  const double factor = fields.number("factor", static_cast<double>(max_positions) / original);
  const double paper_factor = factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original));
  rope.attention_factor = static_cast<float>(fields.number("attention_factor", paper_factor));
  ASSAY_RETURN_IF_ERROR(fields.status());
  ASSAY_RETURN_IF_ERROR(outer.status());
  if (rope.original_max_positions < 2) return Error{ErrorCode::kCorrupt, "original_max_position_embeddings: expected at least 2"};
  // torch divides once by the product of factor and power; dividing twice would round twice.
  const std::vector<float> plain = rope.inverse_frequencies;
  rope.long_inverse_frequencies = plain;
  for (std::size_t i = 0; i < pairs; ++i) {
    rope.inverse_frequencies[i] = 1.0f / (short_factors[i] * (1.0f / plain[i]));
    rope.long_inverse_frequencies[i] = 1.0f / (long_factors[i] * (1.0f / plain[i]));
  }
  return {};
}

Status scale_yarn(JsonFields& fields, double theta, std::int64_t max_positions, Rope& rope) {
  const double original = static_cast<double>(fields.integer("original_max_position_embeddings", max_positions));
  const double factor = fields.number("factor", static_cast<double>(max_positions) / original);
  const double fast = fields.number("beta_fast", 32), slow = fields.number("beta_slow", 1);
  const bool truncate = fields.boolean("truncate", true);
  const double mscale = fields.number("mscale", 0), mscale_all = fields.number("mscale_all_dim", 0);
  const auto attention = [&](double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1.0; };
  const double inferred = mscale != 0 && mscale_all != 0 ? attention(mscale) / attention(mscale_all) : attention(1);
  rope.attention_factor = static_cast<float>(fields.number("attention_factor", inferred));
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (!(factor > 0) || !(original > 0) || !(theta > 1)) return Error{ErrorCode::kCorrupt, "rope scaling yarn: factor, original_max_position_embeddings and rope_theta must be positive"};
  const auto dim = static_cast<double>(rope.rotary_dim);
  const auto correction = [&](double rotations) {
    return dim * std::log(original / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = correction(fast), high = correction(slow);
  if (truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < rope.inverse_frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double extrapolated = rope.inverse_frequencies[i];
    rope.inverse_frequencies[i] = static_cast<float>(extrapolated / factor * ramp + extrapolated * (1 - ramp));
  }
  return {};
}

Status build_rope(const json& object, const RopeSettings& settings, const ModelConfig& config, Rope& rope) {
  rope.rotary_dim = static_cast<std::int64_t>(static_cast<double>(config.head_dim) * settings.partial);
  if (rope.rotary_dim < 2 || rope.rotary_dim > config.head_dim || rope.rotary_dim % 2 != 0 || !(settings.theta > 0)) {
    return Error{ErrorCode::kCorrupt, "rope: rotary dimension " + std::to_string(rope.rotary_dim) + " of head_dim " +
                                          std::to_string(config.head_dim) + " or rope_theta is not usable"};
  }
  rope.inverse_frequencies = plain_frequencies(settings.theta, rope.rotary_dim);
  JsonFields fields(settings.scaling);
  std::string type = fields.text("rope_type", fields.text("type", "default"));
  if (config.family->model_type == "phi3" && (type == "su" || type == "yarn")) type = "longrope";
  if (type == "linear") {
    const double factor = fields.number("factor", 1);
    if (!(factor > 0)) return Error{ErrorCode::kCorrupt, "rope scaling linear: factor must be positive"};
    for (float& frequency : rope.inverse_frequencies) frequency /= static_cast<float>(factor);
  } else if (type == "llama3") {
    ASSAY_RETURN_IF_ERROR(scale_llama3(fields, rope));
  } else if (type == "longrope") {
    ASSAY_RETURN_IF_ERROR(scale_longrope(fields, object, settings.scaling, config.max_positions, rope));
  } else if (type == "yarn") {
    ASSAY_RETURN_IF_ERROR(scale_yarn(fields, settings.theta, config.max_positions, rope));
  } else if (type != "default") {
    return Error{ErrorCode::kUnsupported, "rope scaling '" + type + "' is not one of default, linear, llama3, longrope, yarn"};
  }
  return fields.status();
}

// The older spelling: theta and partial factor beside rope_scaling, under names that vary.
Result<RopeSettings> older_settings(const json& object, std::string_view model_type) {
  JsonFields fields(object);
  RopeSettings settings;
  const bool neox = model_type == "gpt_neox";
  settings.theta = neox ? fields.number("rotary_emb_base", fields.number("rope_theta", 10000))
                        : fields.number("rope_theta", model_type == "gemma3_text" ? 1e6 : 10000);
  settings.partial = neox ? fields.number("rotary_pct", fields.number("partial_rotary_factor", 0.25)) : fields.number("partial_rotary_factor", 1.0);
  ASSAY_RETURN_IF_ERROR(fields.status());
  const auto scaling = object.find("rope_scaling");
  if (scaling != object.end() && scaling->is_object()) settings.scaling = *scaling;
  return settings;
}

Result<RopeSettings> newer_settings(const json& parameters, const RopeSettings& defaults) {
  JsonFields fields(parameters);
  RopeSettings settings;
  settings.theta = fields.number("rope_theta", defaults.theta);
  settings.partial = fields.number("partial_rotary_factor", defaults.partial);
  settings.scaling = parameters;
  ASSAY_RETURN_IF_ERROR(fields.status());
  return settings;
}

}  // namespace

Status read_rope(const json& object, ModelConfig& config) {
  const std::string_view type = config.family->model_type;
  ASSAY_TRY(RopeSettings global, older_settings(object, type));
  JsonFields fields(object);
  RopeSettings local;
  local.theta = fields.number("rope_local_base_freq", 10000);
  ASSAY_RETURN_IF_ERROR(fields.status());
  const auto parameters = object.find("rope_parameters");
  if (parameters != object.end() && parameters->is_object()) {
    const bool per_type = parameters->contains("full_attention") && (*parameters)["full_attention"].is_object();
    ASSAY_TRY(global, newer_settings(per_type ? (*parameters)["full_attention"] : *parameters, global));
    if (per_type && parameters->contains("sliding_attention") && (*parameters)["sliding_attention"].is_object()) {
      ASSAY_TRY(local, newer_settings((*parameters)["sliding_attention"], local));
    }
  }
  ASSAY_RETURN_IF_ERROR(build_rope(object, global, config, config.rope));
  if (type != "gemma3_text") return {};
  return build_rope(object, local, config, config.rope_local);
}

void fill_rope_angles(const Rope& rope, std::span<const std::int64_t> positions, std::int64_t longest, MatrixView<float> angles) {
  const bool use_long = !rope.long_inverse_frequencies.empty() && longest > rope.original_max_positions;
  const auto& frequencies = use_long ? rope.long_inverse_frequencies : rope.inverse_frequencies;
  const auto pairs = static_cast<std::int64_t>(frequencies.size());
  for (std::int64_t t = 0; t < angles.rows; ++t) {
    float* row = angles.row(t);
    const auto position = static_cast<float>(positions[static_cast<std::size_t>(t)]);
    for (std::int64_t i = 0; i < pairs; ++i) {
      const float angle = position * frequencies[static_cast<std::size_t>(i)];
      row[i] = std::cos(angle) * rope.attention_factor;
      row[pairs + i] = std::sin(angle) * rope.attention_factor;
    }
  }
}

}  // namespace assay
