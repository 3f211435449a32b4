#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

namespace assay {

Result<Sampler> Sampler::create(const SamplingOptions& options, const KernelTable& kernels) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    return Error{ErrorCode::kInvalidArgument, "temperature is " + std::to_string(options.temperature) +
                                                  ", expected a number of at least 0"};
  }
  if (options.top_k < 0) {
    return Error{ErrorCode::kInvalidArgument,
                 "top_k is " + std::to_string(options.top_k) + ", expected at least 0"};
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    return Error{ErrorCode::kInvalidArgument,
                 "top_p is " + std::to_string(options.top_p) + ", expected more than 0 and at most 1"};
  }
  return Sampler(options, kernels);
}

Result<std::int32_t> Sampler::sample(std::span<const float> logits) {
  if (logits.empty()) return Error{ErrorCode::kInvalidArgument, "no logits to choose a token from"};
  const auto bad = std::find_if(logits.begin(), logits.end(), [](float x) { return !std::isfinite(x); });
  if (bad != logits.end()) {
    return Error{ErrorCode::kCorrupt,
                 "the logit of token " + std::to_string(bad - logits.begin()) +
                     " is not a finite number: the weights are broken ('assay inspect --check' finds where)"};
  }
  if (options_.temperature == 0) {
    return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  return options_.top_k == 0 && options_.top_p == 1 ? draw_from_all(logits) : draw(logits);
}

// Without sorting, which for a large vocabulary takes longer than everything else.
std::int32_t Sampler::draw_from_all(std::span<const float> logits) {
  // Beyond it differences of logits would overflow; a softmax that sharp has one token already.
  constexpr double kLargestScale = 1e30;
  const float largest = *std::max_element(logits.begin(), logits.end());
  all_.resize(logits.size());
  for (std::size_t id = 0; id < logits.size(); ++id) all_[id] = logits[id] - largest;
  kernels_->softmax({all_.data(), std::ssize(all_),
                     static_cast<float>(std::min(1 / options_.temperature, kLargestScale)), 0.0f});
  double rest = rng_.uniform() * std::accumulate(all_.begin(), all_.end(), 0.0);
  std::size_t chosen = 0;
  for (std::size_t id = 0; id < all_.size(); ++id) {
    if (all_[id] == 0) continue;
    chosen = id;
    rest -= static_cast<double>(all_[id]);
    if (rest < 0) break;
  }
  return static_cast<std::int32_t>(chosen);
}

std::int32_t Sampler::draw(std::span<const float> logits) {
  order_.resize(logits.size());
  std::iota(order_.begin(), order_.end(), 0);
  const auto more_likely = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  if (options_.top_k > 0 && static_cast<std::size_t>(options_.top_k) < order_.size()) {
    std::nth_element(order_.begin(), order_.begin() + options_.top_k, order_.end(), more_likely);
    order_.resize(static_cast<std::size_t>(options_.top_k));
  }
  std::sort(order_.begin(), order_.end(), more_likely);
  const double largest = logits[static_cast<std::size_t>(order_[0])];
  probabilities_.clear();
  double total = 0;
  for (const std::int32_t id : order_) {
    const double weight = std::exp((static_cast<double>(logits[static_cast<std::size_t>(id)]) - largest) /
                                   options_.temperature);
    probabilities_.push_back(weight);
    total += weight;
  }
  double kept = 0;
  std::size_t count = 0;
  while (count < order_.size() && (count == 0 || kept < options_.top_p * total))
    kept += probabilities_[count++];
  double rest = rng_.uniform() * kept;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    rest -= probabilities_[i];
    if (rest < 0) return order_[i];
  }
  return order_[count - 1];
}

}  // namespace assay
