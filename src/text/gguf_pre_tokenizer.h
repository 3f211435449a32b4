// gguf_pre_tokenizer.h: what tokenizer.ggml.pre names stand for.
#pragma once
#include <string>

#include "base/result.h"
#include "text/json_fields.h"

namespace assay::text {

struct GgufPreTokenizer {
  Json pre_tokenizer;          // as in the tokenizer.json of the model that the name comes from
  Json normalizer;             // NFC where that tokenizer.json has it (llama.cpp leaves it out), else null
  bool ignore_merges = false;  // as llama.cpp sets it for the name
  bool add_bos = false;        // where the GGUF file does not say
};

// Errors: kUnsupported with the list of known names. Source: llama.cpp src/llama-vocab.cpp (names, flags,
// "default"), the models' tokenizer.json (patterns).
Result<GgufPreTokenizer> gguf_pre_tokenizer(const std::string& name);

}  // namespace assay::text
