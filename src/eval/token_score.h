// How well one row of logits predicts one token.
#pragma once
#include <cstdint>
#include <span>

#include "base/result.h"

namespace assay::eval {

struct TokenScore {
  // Natural log of softmax(logits)[target], <= 0.
  double log_prob = 0;
  // Tokens before the target when sorted by logit, largest first, equal ones by id, smallest first: those
  // with a strictly greater logit, and those that tie and have a smaller id.
  std::int64_t rank = 0;
  // rank == 0. Of equal largest logits only the smallest id is the arg max, as in numpy and torch on a CPU.
  bool is_argmax = false;
  // Largest logit minus second largest, 0 on a tie; infinite if there is one logit only.
  double margin = 0;
};

// Numerics: log-softmax in double after subtracting the maximum, summed from left to right: the error of
// log_prob is at most (n + 2) * 2^-53 relative in the sum plus 2^-52 * |log_prob|. rank, is_argmax and margin
// are exact.
// Errors: kInvalidArgument if there are no logits or `target` is not in [0, logits.size());
// kCorrupt, naming the token, if a logit is NaN or infinite: a model that computes such has no accuracy.
// Thread safe.
Result<TokenScore> score_token(std::span<const float> logits, std::int64_t target);

}  // namespace assay::eval
