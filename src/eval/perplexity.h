// Perplexity of a long text, window by window.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace assay::eval {

// Token indices of the text. The model reads [prefix token,] tokens[begin .. end - 2] and is scored on
// tokens[score_begin .. end - 1]; every token before score_begin is context only.
struct TokenWindow {
  std::int64_t begin = 0;
  std::int64_t score_begin = 0;
  std::int64_t end = 0;
};

struct WindowOptions {
  std::int64_t context_length = 0;  // tokens that the model reads at once, a prefix token included; >= 2
  std::int64_t stride = 0;    // how far windows advance, <= context_length; 0: windows that do not overlap
  bool prefix_token = false;  // the caller feeds BOS before every window, so its first token is scored too
};

// A window covers context_length tokens of the text, the last one fewer. Its last token is scored but not
// read, and the prefix token, if any, is read in its place. Every token is scored at most once. Without
// overlap and without prefix token the first token of every window is not scored (it has no context); with
// overlap each window scores only what the one before did not, with at least context_length - stride tokens
// of context. A last window with nothing to score is left out.
// Errors: kInvalidArgument for options out of range, or a text too short to score a single token.
Result<std::vector<TokenWindow>> plan_windows(std::int64_t num_tokens, const WindowOptions& options);

struct PerplexityRecord {
  std::int64_t tokens = 0;  // scored
  double perplexity = 0;    // exp(nll_mean)
  double nll_mean = 0;      // nats per scored token
  // Sample deviation / sqrt(tokens), as if tokens were independent; none for a single token.
  std::optional<double> nll_stderr;
  std::optional<double> bits_per_byte;  // summed nll / ln 2 / text_bytes
};

// `log_probs`: natural logs of the scored tokens' probabilities. `text_bytes`: UTF-8 bytes of exactly the
// scored text, 0 if not known. The stderr of perplexity is, by the delta method, perplexity * nll_stderr.
// Errors: kInvalidArgument if there are no log_probs, or one is NaN, positive or infinite (names its index).
Result<PerplexityRecord> evaluate_perplexity(std::span<const double> log_probs, std::uint64_t text_bytes);

}  // namespace assay::eval
