// What a GPTQ checkpoint says about itself: quantize_config.json, or quantization_config inside config.json.
// Spellings of AutoGPTQ, GPTQModel, optimum and transformers are understood.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace assay {

// How zero points are stored: kV1 ("gptq") keeps z - 1, kV2 ("gptq_v2") keeps z.
enum class GptqFormat { kV1, kV2 };

// GPTQModel's per-module exceptions: modules whose name the pattern matches (a PCRE, from the start of the
// name on).
struct GptqOverride {
  std::string pattern;
  bool skip = false;  // "-:": not quantized at all
  std::optional<int> bits;
  std::optional<std::int64_t> group_size;
  std::optional<bool> desc_act;
  std::optional<bool> sym;

  bool operator==(const GptqOverride&) const = default;
};

struct GptqConfig {
  int bits = 4;                   // 2, 3, 4 or 8
  std::int64_t group_size = 128;  // inputs per scale; -1: one group per row
  bool desc_act = false;          // columns were visited by falling activation, so g_idx is not trivial
  bool sym = true;
  bool lm_head = false;  // the output head is quantized, too
  GptqFormat format = GptqFormat::kV1;
  std::optional<double> damp_percent;
  bool true_sequential = true;
  bool static_groups = false;
  std::vector<GptqOverride> dynamic;  // in file order; the first match decides
  std::string meta_json = "{}";       // free-form object, kept as it is
};

// The settings of one module.
struct GptqModuleConfig {
  bool quantized = true;
  int bits = 4;
  std::int64_t group_size = 128;
  bool desc_act = false;
  bool sym = true;
};

// `file` is quantize_config.json, or a config.json that contains quantization_config.
// Errors: kCorrupt (not JSON, a field of the wrong type, out of range, an invalid pattern), kNotFound (a
// config.json without quantization_config), kUnsupported (another quant_method, format, pack_dtype or number
// of bits, by name).
Result<GptqConfig> parse_gptq_config(ByteView file);

// `module` is the full name, such as "model.layers.0.self_attn.q_proj". Errors: kCorrupt for a pattern that
// does not compile, kResourceLimit for one that backtracks without end.
Result<GptqModuleConfig> gptq_module_config(const GptqConfig& config, std::string_view module);

// One JSON object, indented, with a newline at the end: the content of quantize_config.json.
// REQUIRES: meta_json is JSON without duplicate keys (true of whatever parse_gptq_config returned).
std::string gptq_config_json(const GptqConfig& config);

// `config_json` with that object as its quantization_config, which is replaced or added; all else stays, in
// its order. Errors: kCorrupt when config_json is not a JSON object.
Result<std::string> with_quantization_config(ByteView config_json, const GptqConfig& config);

}  // namespace assay
