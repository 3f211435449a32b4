#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "eval/moments.h"

namespace assay::eval {

Result<std::vector<TokenWindow>> plan_windows(std::int64_t num_tokens, const WindowOptions& options) {
  if (options.context_length < 2) {
    return Error{ErrorCode::kInvalidArgument,
                 "context_length is " + std::to_string(options.context_length) + "; expected at least 2"};
  }
  const std::int64_t length = options.context_length;
  const std::int64_t stride = options.stride == 0 ? length : options.stride;
  if (stride < 1 || stride > length) {
    return Error{ErrorCode::kInvalidArgument, "stride is " + std::to_string(options.stride) +
                                                  "; expected 1 to " + std::to_string(length) +
                                                  ", or 0 for windows that do not overlap"};
  }
  const std::int64_t unscored = options.prefix_token ? 0 : 1;
  if (num_tokens <= unscored) {
    return Error{ErrorCode::kInvalidArgument, "the text has " + std::to_string(num_tokens) +
                                                  " tokens; expected at least " +
                                                  std::to_string(unscored + 1)};
  }
  std::vector<TokenWindow> windows;
  std::int64_t scored_until = 0;
  for (std::int64_t begin = 0; scored_until < num_tokens; begin += stride) {
    const std::int64_t end = num_tokens - begin < length ? num_tokens : begin + length;
    const std::int64_t score_begin = std::max(begin + unscored, scored_until);
    if (score_begin < end) windows.push_back({begin, score_begin, end});
    scored_until = end;
  }
  return windows;
}

Result<PerplexityRecord> evaluate_perplexity(std::span<const double> log_probs, std::uint64_t text_bytes) {
  if (log_probs.empty()) return Error{ErrorCode::kInvalidArgument, "no scored tokens; expected at least one"};
  std::vector<double> losses;
  losses.reserve(log_probs.size());
  for (std::size_t i = 0; i < log_probs.size(); ++i) {
    if (!(std::isfinite(log_probs[i]) && log_probs[i] <= 0)) {
      return Error{ErrorCode::kInvalidArgument, "log_prob of scored token " + std::to_string(i) + " is " +
                                                    std::to_string(log_probs[i]) +
                                                    "; expected a finite number <= 0"};
    }
    losses.push_back(-log_probs[i]);
  }
  const Moments loss = moments(losses);
  PerplexityRecord record;
  record.tokens = static_cast<std::int64_t>(losses.size());
  record.nll_mean = loss.mean;
  record.nll_stderr = loss.stderr_of_mean;
  record.perplexity = std::exp(loss.mean);
  if (text_bytes > 0) {
    const double bits = loss.mean * static_cast<double>(losses.size()) / std::numbers::ln2;
    record.bits_per_byte = bits / static_cast<double>(text_bytes);
  }
  return record;
}

}  // namespace assay::eval
