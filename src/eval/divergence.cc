#include "eval/divergence.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

namespace assay::eval {
namespace {

// What the log-softmax of a row needs: ln softmax(x)_i = x_i - largest - log_sum.
struct Normalizer {
  double largest;
  double log_sum;
  std::size_t top;
};

Result<Normalizer> normalizer(std::span<const float> logits, const char* whose) {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) {
      return Error{ErrorCode::kCorrupt, std::string(whose) + " logit of token " + std::to_string(i) + " is " +
                                            std::to_string(logits[i]) + "; expected a finite number"};
    }
  }
  const auto top = std::max_element(logits.begin(), logits.end());
  const double largest = *top;
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return Normalizer{largest, std::log(sum), static_cast<std::size_t>(top - logits.begin())};
}

double log_prob_of(std::span<const float> logits, const Normalizer& normalizer, std::size_t id) {
  return (static_cast<double>(logits[id]) - normalizer.largest) - normalizer.log_sum;
}

using Value = std::function<double(const PositionDivergence&)>;

struct ClusteredMean {
  double mean;
  std::optional<double> standard_error;
};

ClusteredMean clustered_mean(std::span<const std::vector<PositionDivergence>> texts, std::int64_t positions,
                             const Value& value) {
  double sum = 0;
  for (const auto& text : texts) {
    for (const auto& position : text) sum += value(position);
  }
  const auto count = static_cast<double>(positions);
  ClusteredMean result{sum / count, std::nullopt};
  if (texts.size() < 2) return result;
  double squares = 0;
  for (const auto& text : texts) {
    double deviation = 0;
    for (const auto& position : text) deviation += value(position) - result.mean;
    squares += deviation * deviation;
  }
  const auto clusters = static_cast<double>(texts.size());
  result.standard_error = std::sqrt(clusters / (clusters - 1) * squares) / count;
  return result;
}

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Status check(std::span<const std::vector<PositionDivergence>> texts) {
  if (texts.empty()) return Error{ErrorCode::kInvalidArgument, "no texts; expected at least one"};
  for (std::size_t s = 0; s < texts.size(); ++s) {
    if (texts[s].empty())
      return Error{ErrorCode::kInvalidArgument, "text " + std::to_string(s) + " has no positions"};
    for (const auto& position : texts[s]) {
      const bool valid = std::isfinite(position.kl) && position.kl >= 0 &&
                         std::isfinite(position.reference_log_prob) && position.reference_log_prob <= 0 &&
                         std::isfinite(position.log_prob) && position.log_prob <= 0;
      if (!valid) {
        return Error{ErrorCode::kInvalidArgument,
                     "text " + std::to_string(s) +
                         " holds a divergence or log-probability that is not finite or has the wrong sign"};
      }
    }
  }
  return {};
}

}  // namespace

Result<PositionDivergence> compare_position(std::span<const float> reference, std::span<const float> logits,
                                            std::int64_t target) {
  if (reference.empty() || reference.size() != logits.size()) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(reference.size()) + " reference logits and " +
                                                  std::to_string(logits.size()) +
                                                  " logits; expected as many"};
  }
  if (target < 0 || static_cast<std::uint64_t>(target) >= logits.size()) {
    return Error{ErrorCode::kInvalidArgument, "target token is " + std::to_string(target) +
                                                  "; expected one of " + std::to_string(logits.size()) +
                                                  " logits"};
  }
  ASSAY_TRY(const Normalizer p, normalizer(reference, "the reference's"));
  ASSAY_TRY(const Normalizer q, normalizer(logits, "the"));
  double kl = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double log_p = log_prob_of(reference, p, i);
    kl += std::exp(log_p) * (log_p - log_prob_of(logits, q, i));
  }
  const auto id = static_cast<std::size_t>(target);
  return PositionDivergence{std::max(kl, 0.0), std::min(log_prob_of(reference, p, id), 0.0),
                            std::min(log_prob_of(logits, q, id), 0.0), p.top == q.top};
}

Result<DivergenceRecord> evaluate_divergence(std::span<const std::vector<PositionDivergence>> texts) {
  ASSAY_RETURN_IF_ERROR(check(texts));
  DivergenceRecord record;
  record.texts = static_cast<std::int64_t>(texts.size());
  std::vector<double> sorted;
  for (const auto& text : texts) {
    for (const auto& position : text) sorted.push_back(position.kl);
  }
  record.positions = static_cast<std::int64_t>(sorted.size());
  std::sort(sorted.begin(), sorted.end());
  record.kl_median = quantile(sorted, 0.5);
  record.kl_percentile_99 = quantile(sorted, 0.99);
  record.kl_max = sorted.back();
  const auto mean = [&](const Value& value) { return clustered_mean(texts, record.positions, value); };
  const ClusteredMean kl = mean([](const PositionDivergence& p) { return p.kl; });
  record.kl_mean = kl.mean;
  record.kl_stderr = kl.standard_error;
  const ClusteredMean same = mean([](const PositionDivergence& p) { return p.same_top ? 1.0 : 0.0; });
  record.same_top = same.mean;
  record.same_top_stderr = same.standard_error;
  record.reference_perplexity =
      std::exp(mean([](const PositionDivergence& p) { return -p.reference_log_prob; }).mean);
  record.perplexity = std::exp(mean([](const PositionDivergence& p) { return -p.log_prob; }).mean);
  const ClusteredMean ratio =
      mean([](const PositionDivergence& p) { return p.reference_log_prob - p.log_prob; });
  record.log_perplexity_ratio = ratio.mean;
  record.log_perplexity_ratio_stderr = ratio.standard_error;
  return record;
}

}  // namespace assay::eval
