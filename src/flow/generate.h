// Continues a text with a language model.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/model.h"
#include "engine/sampler.h"
#include "kernels/kernels.h"
#include "text/tokenizer.h"

namespace assay {

struct GenerateOptions {
  std::int64_t max_tokens = 128;
  SamplingOptions sampling;
};

enum class StopReason { kEndOfText, kMaxTokens, kContextFull };
const char* to_string(StopReason reason);

struct Generation {
  std::vector<std::int32_t> prompt_ids;
  std::vector<std::int32_t> ids;  // generated; the end-of-text token is not among them
  std::string text;               // of `ids`, valid UTF-8
  StopReason stop = StopReason::kMaxTokens;
  double prompt_seconds = 0;
  double generation_seconds = 0;
  std::int64_t steps = 0;  // passes through the model in generation_seconds: one less than tokens were chosen
};

// Bytes of tokens in, whole UTF-8 characters out.
class Utf8Stream {
 public:
  // The characters that `bytes` complete. What cannot become a character any more turns into U+FFFD.
  std::string add(std::string_view bytes);
  // What is left at the end: U+FFFD for an incomplete character, else nothing.
  std::string finish();

 private:
  std::string pending_;
};

// The prompt is tokenized with the special tokens that the tokenizer adds by itself. `on_text` gets the text
// as it comes, in whole characters; may be empty. Errors: those of the tokenizer and the engine (a prompt
// longer than the context), kInvalidArgument for options out of range, a prompt without tokens or a tokenizer
// of another model, kCorrupt for logits that are not finite, kInterrupted.
Result<Generation> generate(const LanguageModel& model, const Tokenizer& tokenizer, std::string_view prompt,
                            const GenerateOptions& options, const KernelContext& kernels,
                            const std::function<void(std::string_view)>& on_text);

}  // namespace assay
