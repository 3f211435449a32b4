// LAMBADA: is the last word of a passage what the model would have written?
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/token_score.h"

namespace assay::eval {

// The scores of an example's target tokens, teacher-forced, in order (see token_split.h for which tokens
// these are).
struct ExampleScore {
  std::vector<TokenScore> tokens;
  bool truncated = false;
};

// Definitions are those of lm-evaluation-harness 0.4.13's task `lambada_openai`. Standard errors are absent
// for a single example.
struct LambadaRecord {
  std::int64_t examples = 0;
  // The share of examples whose target tokens all are the arg max.
  double accuracy = 0;
  // The harness's `mean_stderr`: sample deviation (with examples - 1) / sqrt(examples).
  std::optional<double> accuracy_stderr;
  // exp(-mean over examples of the target's summed log_prob), so it is per word.
  double perplexity = 0;
  // Delta method: perplexity * mean_stderr(summed log_prob). The harness estimates it from 100 random
  // resamples.
  std::optional<double> perplexity_stderr;
  // By k, the share of examples whose target tokens all have rank < k; top_k[1] == accuracy.
  std::map<int, double> top_k;
  std::map<int, std::optional<double>> top_k_stderr;
  // The same for the first target token alone.
  std::map<int, double> first_token_top_k;
  // Target tokens in all.
  std::int64_t tokens = 0;
  // Examples with a margin < kNearTieMargin somewhere: rounding may flip their arg max.
  std::int64_t near_ties = 0;
  // Examples whose context was cut to fit.
  std::int64_t truncated = 0;
};

// In logit units. Far above float32 rounding of logits near 20 (2e-6), far below what a model means.
inline constexpr double kNearTieMargin = 1e-4;

// Whether every target token is the arg max: the entry of one example in a paired comparison (paired.h).
bool is_correct(const ExampleScore& example);

// Sums run in the order of `examples`, in double, so equal inputs give equal bits whoever computed the
// scores.
// Errors: kInvalidArgument if there are no examples, one has no tokens, a log_prob is NaN, positive
// or infinite, a rank or margin is negative, is_argmax contradicts rank, or a k is not positive; messages
// name the example by its index. Thread safe.
Result<LambadaRecord> evaluate_lambada(std::span<const ExampleScore> examples, std::span<const int> top_k);

}  // namespace assay::eval
