// From a context and a target in text to the tokens that a causal model reads and those it is scored on.
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace assay::eval {

// The tokenizer, from outside. With add_special_tokens it adds what the tokenizer adds by itself to a text
// (Llama's BOS; GPT-2 and SmolLM2: nothing), without it only the tokens of the text.
using EncodeText =
    std::function<Result<std::vector<std::int32_t>>(std::string_view text, bool add_special_tokens)>;

struct SplitOptions {
  std::int64_t max_length = 0;       // tokens that the model can read at once, > 0
  std::int32_t prefix_token_id = 0;  // what stands in for an empty context: BOS, or EOS where there is no BOS
};

// Feed `input`; the logits after input[first_scored + i] predict targets[i], for every i < targets.size().
// input.size() == first_scored + targets.size(): the last target is never fed.
struct ScoredTokens {
  std::vector<std::int32_t> input;
  std::vector<std::int32_t> targets;
  std::int64_t first_scored = 0;
  bool truncated = false;  // tokens were dropped from the left to fit max_length
};

// What lm-evaluation-harness 0.4.13 does for a causal model (api/model.py `_encode_pair` and `loglikelihood`,
// models/huggingface.py `_loglikelihood_tokens`):
// - White space at the end of the context (what Python's str.rstrip removes, U+00A0 included) moves to the
//   front of the target.
// - whole = encode(context + target), context tokens = encode(context), both with special tokens;
//   targets = whole[len(context tokens):]. So the targets are not encode(target), and where the tokenizer
//   merges across the border the fed tokens are not a prefix of whole; the harness has it so.
// - An empty context: targets = encode(target) without special tokens, context tokens = {prefix_token_id};
//   if the targets start with prefix_token_id already, that one token becomes the context instead.
// - input = the last max_length + 1 of (context tokens + targets), without the last one.
// Errors: what `encode` returns; kInvalidArgument if no context token or no target token is left;
// kResourceLimit if there are more target tokens than max_length.
Result<ScoredTokens> split_context_and_target(std::string_view context, std::string_view target,
                                              const EncodeText& encode, const SplitOptions& options);

}  // namespace assay::eval
