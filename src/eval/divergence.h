// How far the predictions of a model are from those of the model it was made from.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace assay::eval {

// One position of a text, seen by both models.
struct PositionDivergence {
  double kl = 0;                  // sum_i p_i (ln p_i - ln q_i) in nats, p the reference, q the model; >= 0
  double reference_log_prob = 0;  // ln p of the token that follows
  double log_prob = 0;            // ln q of it
  bool same_top = false;  // whether both hold the same token most likely (of equal ones the smallest id)
};

// Numerics: in double, both softmaxes after subtracting their maximum, summed from left to right: |error of
// kl| is at most (n + 8) * 2^-52 * (1 + sum_i p_i |ln p_i - ln q_i|); what rounding makes negative is 0. A
// p_i that underflows adds nothing. Errors: kInvalidArgument for no logits, different lengths, a target that
// is none of them; kCorrupt, naming the token, for a logit that is NaN or infinite. Thread safe.
Result<PositionDivergence> compare_position(std::span<const float> reference, std::span<const float> logits,
                                            std::int64_t target);

// Means over all positions. Their standard errors take a text for one draw, since neighbouring positions are
// alike: with the sum d_s of deviations from the mean in text s of S, sqrt(S / (S - 1) * sum_s d_s^2) /
// positions. Absent for one text. llama.cpp's llama-perplexity --kl-divergence means the same by mean KLD and
// "Same top p", but takes every position for a draw of its own, scores the second half of each window alone
// and rounds the reference's log-probabilities to 16 bits.
struct DivergenceRecord {
  std::int64_t texts = 0;
  std::int64_t positions = 0;
  double kl_mean = 0;
  std::optional<double> kl_stderr;
  double kl_median = 0;  // of the positions; quantiles are interpolated between neighbours, as numpy does
  double kl_percentile_99 = 0;
  double kl_max = 0;
  double same_top = 0;  // share of positions
  std::optional<double> same_top_stderr;
  double reference_perplexity = 0;  // exp of the mean of -reference_log_prob
  double perplexity = 0;
  double log_perplexity_ratio = 0;  // ln(perplexity / reference_perplexity)
  std::optional<double> log_perplexity_ratio_stderr;
};

// Sums run in the order given. Errors: kInvalidArgument for no position at all or a text without any, and for
// a value that is not finite or has the wrong sign. Thread safe.
Result<DivergenceRecord> evaluate_divergence(std::span<const std::vector<PositionDivergence>> texts);

}  // namespace assay::eval
