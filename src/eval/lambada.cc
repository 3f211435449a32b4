#include "eval/lambada.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "eval/moments.h"

namespace assay::eval {
namespace {

Status check_example(const ExampleScore& example, std::size_t index) {
  const auto invalid = [&](const std::string& problem) {
    return Error{ErrorCode::kInvalidArgument, "example " + std::to_string(index) + ": " + problem};
  };
  if (example.tokens.empty()) return invalid("no target tokens; expected at least one");
  for (const TokenScore& token : example.tokens) {
    if (!(std::isfinite(token.log_prob) && token.log_prob <= 0)) {
      return invalid("log_prob is " + std::to_string(token.log_prob) + "; expected a finite number <= 0");
    }
    if (token.rank < 0) return invalid("rank is " + std::to_string(token.rank) + "; expected at least 0");
    if (!(token.margin >= 0))
      return invalid("margin is " + std::to_string(token.margin) + "; expected at least 0");
    if (token.is_argmax != (token.rank == 0)) return invalid("is_argmax contradicts rank");
  }
  return {};
}

bool all_within(const ExampleScore& example, int k) {
  return std::all_of(example.tokens.begin(), example.tokens.end(),
                     [k](const TokenScore& t) { return t.rank < k; });
}

// The share of examples for which `holds`, with its standard error.
template <typename Predicate>
Moments share(std::span<const ExampleScore> examples, Predicate holds) {
  std::vector<double> values;
  values.reserve(examples.size());
  for (const ExampleScore& example : examples) values.push_back(holds(example) ? 1.0 : 0.0);
  return moments(values);
}

void add_counts(const ExampleScore& example, LambadaRecord* record) {
  record->tokens += static_cast<std::int64_t>(example.tokens.size());
  record->truncated += example.truncated ? 1 : 0;
  const bool near_tie = std::any_of(example.tokens.begin(), example.tokens.end(),
                                    [](const TokenScore& token) { return token.margin < kNearTieMargin; });
  record->near_ties += near_tie ? 1 : 0;
}

}  // namespace

bool is_correct(const ExampleScore& example) {
  return std::all_of(example.tokens.begin(), example.tokens.end(),
                     [](const TokenScore& t) { return t.is_argmax; });
}

Result<LambadaRecord> evaluate_lambada(std::span<const ExampleScore> examples, std::span<const int> top_k) {
  if (examples.empty()) return Error{ErrorCode::kInvalidArgument, "no examples; expected at least one"};
  for (const int k : top_k) {
    if (k <= 0)
      return Error{ErrorCode::kInvalidArgument, "top-k is " + std::to_string(k) + "; expected at least 1"};
  }
  LambadaRecord record;
  record.examples = static_cast<std::int64_t>(examples.size());
  std::vector<double> log_likelihoods;
  log_likelihoods.reserve(examples.size());
  for (std::size_t i = 0; i < examples.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(check_example(examples[i], i));
    add_counts(examples[i], &record);
    double sum = 0;
    for (const TokenScore& token : examples[i].tokens) sum += token.log_prob;
    log_likelihoods.push_back(sum);
  }
  const Moments accuracy = share(examples, is_correct);
  record.accuracy = accuracy.mean;
  record.accuracy_stderr = accuracy.stderr_of_mean;
  const Moments log_likelihood = moments(log_likelihoods);
  record.perplexity = std::exp(-log_likelihood.mean);
  if (log_likelihood.stderr_of_mean)
    record.perplexity_stderr = record.perplexity * *log_likelihood.stderr_of_mean;
  for (const int k : top_k) {
    const Moments within = share(examples, [k](const ExampleScore& e) { return all_within(e, k); });
    record.top_k[k] = within.mean;
    record.top_k_stderr[k] = within.stderr_of_mean;
    record.first_token_top_k[k] =
        share(examples, [k](const ExampleScore& e) { return e.tokens.front().rank < k; }).mean;
  }
  return record;
}

}  // namespace assay::eval
