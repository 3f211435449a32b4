// What a language model's config.json says, brought to one form for all families.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/family.h"
#include "kernels/kernels.h"

namespace assay {

// Frequencies of rotary position embeddings. Angle of pair i at position p: p * inverse_frequencies[i].
struct Rope {
  std::int64_t rotary_dim = 0;              // leading values of each head that are rotated; even
  std::vector<float> inverse_frequencies;   // (rotary_dim / 2)
  // LongRoPE: used instead when the sequence is longer than original_max_positions; empty otherwise.
  std::vector<float> long_inverse_frequencies;
  std::int64_t original_max_positions = 0;
  float attention_factor = 1.0f;            // multiplies cosines and sines
};

struct ModelConfig {
  const Family* family = nullptr;
  std::int64_t hidden_size = 0;
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t vocab_size = 0;
  std::int64_t max_positions = 0;
  std::int64_t embedding_dim = 0;      // differs from hidden_size only in OPT-350m
  float norm_epsilon = 0;
  bool norm_before = true;             // false: the norms stand after the residual additions (OPT-350m)
  bool parallel_residual = false;      // attention and MLP both read the block's input (GPT-NeoX)
  bool tied_embeddings = false;
  Activation activation = Activation::kSilu;
  float embedding_scale = 1.0f;
  float attention_scale = 0;           // of q.k
  float attention_softcap = 0;         // 0: none
  float final_softcap = 0;
  std::vector<std::int64_t> windows;   // per layer; 0: full attention
  std::vector<bool> local_rope;        // per layer: uses rope_local instead of rope
  Rope rope;                           // rotary_dim 0: learned positions
  Rope rope_local;
  std::optional<std::int64_t> bos_id;
  std::vector<std::int64_t> eos_ids;

  std::int64_t q_dim() const { return num_heads * head_dim; }
  std::int64_t kv_dim() const { return num_kv_heads * head_dim; }
};

// Reads config.json. Both the older keys (rope_theta, rope_scaling) and transformers 5's rope_parameters are understood;
// missing optional keys take the family's defaults. Errors: kCorrupt (not JSON, wrong type or value: names the key),
// kUnsupported (an architecture or feature that the engine lacks, by name, with the list of the known ones).
Result<ModelConfig> parse_model_config(ByteView config_json);

}  // namespace assay
