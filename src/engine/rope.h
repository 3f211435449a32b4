// Rotary position embeddings: frequencies from the configuration, angles for positions.
#pragma once
#include <nlohmann/json.hpp>
#include <span>

#include "base/result.h"
#include "engine/model_config.h"
#include "tensor/matrix.h"

namespace assay {

// Fills config.rope and config.rope_local from rope_parameters, or from the older rope_theta and rope_scaling.
// Scaling types default, linear, llama3, longrope and yarn, computed as transformers' modeling_rope_utils does, in float32;
// any other is refused by name. REQUIRES: sizes, head_dim and the family of `config` are set.
Status read_rope(const nlohmann::json& object, ModelConfig& config);

// angles[t] = cosines, then sines, of positions[t] times the frequencies, times the attention factor: what apply_rope takes.
// angles: (positions.size(), rotary_dim). `longest` is the length of the whole sequence so far: it selects LongRoPE's set.
void fill_rope_angles(const Rope& rope, std::span<const std::int64_t> positions, std::int64_t longest, MatrixView<float> angles);

}  // namespace assay
