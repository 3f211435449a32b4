#include "eval/token_score.h"

#include <cmath>
#include <limits>
#include <string>

namespace assay::eval {

Result<TokenScore> score_token(std::span<const float> logits, std::int64_t target) {
  if (target < 0 || static_cast<std::uint64_t>(target) >= logits.size()) {
    return Error{ErrorCode::kInvalidArgument, "target token is " + std::to_string(target) +
                                                  "; expected one of " + std::to_string(logits.size()) +
                                                  " logits"};
  }
  const float target_logit = logits[static_cast<std::size_t>(target)];
  float largest = -std::numeric_limits<float>::infinity();
  float second = largest;
  std::int64_t rank = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float logit = logits[i];
    if (!std::isfinite(logit)) {
      return Error{ErrorCode::kCorrupt, "logit of token " + std::to_string(i) + " is " +
                                            std::to_string(logit) + "; expected a finite number"};
    }
    if (logit > largest) {
      second = largest;
      largest = logit;
    } else if (logit > second) {
      second = logit;
    }
    const bool tie_goes_first = logit == target_logit && static_cast<std::int64_t>(i) < target;
    if (logit > target_logit || tie_goes_first) ++rank;
  }
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  TokenScore score;
  score.log_prob = (static_cast<double>(target_logit) - largest) - std::log(sum);
  score.rank = rank;
  score.is_argmax = rank == 0;
  score.margin = static_cast<double>(largest) - second;
  return score;
}

}  // namespace assay::eval
