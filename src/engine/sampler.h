// Chooses the next token from a row of logits.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/rng.h"

namespace assay {

struct SamplingOptions {
  double temperature = 0;  // of the softmax; 0: always the most likely token
  std::int64_t top_k = 0;  // only the k most likely tokens; 0: all
  double top_p = 1;        // of those, the fewest whose probabilities sum to at least top_p; in (0, 1]
  std::uint64_t seed = 0;
};

// The same options and logits give the same tokens on every machine. Not thread safe.
class Sampler {
 public:
  // Errors: kInvalidArgument naming the option that is out of range.
  static Result<Sampler> create(const SamplingOptions& options);

  // The id of the chosen token; among equal logits the smaller id comes first. Probabilities are computed in
  // double. Errors: kInvalidArgument for no logits, kCorrupt where a logit is NaN or infinite.
  Result<std::int32_t> sample(std::span<const float> logits);

 private:
  explicit Sampler(const SamplingOptions& options) : options_(options), rng_(options.seed) {}
  std::int32_t draw(std::span<const float> logits);
  std::int32_t draw_from_all(std::span<const float> logits);

  SamplingOptions options_;
  Rng rng_;
  std::vector<std::int32_t> order_;    // candidates, most likely first
  std::vector<double> probabilities_;  // of the candidates
};

}  // namespace assay
