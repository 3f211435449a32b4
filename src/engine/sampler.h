// Chooses the next token from a row of logits.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "kernels/kernel_table.h"

namespace assay {

struct SamplingOptions {
  double temperature = 0;  // of the softmax; 0: always the most likely token
  std::int64_t top_k = 0;  // only the k most likely tokens; 0: all
  double top_p = 1;        // of those, the fewest whose probabilities sum to at least top_p; in (0, 1]
  std::uint64_t seed = 0;
};

// The same options, logits and kernels give the same tokens. Not thread safe.
class Sampler {
 public:
  // Errors: kInvalidArgument naming the option that is out of range.
  static Result<Sampler> create(const SamplingOptions& options, const KernelTable& kernels);

  // The id of the chosen token; among equal logits the smaller id comes first. Probabilities are computed by
  // the kernels' softmax, in double where top_k or top_p leave tokens out. Errors: kInvalidArgument for no
  // logits, kCorrupt where a logit is NaN or infinite.
  Result<std::int32_t> sample(std::span<const float> logits);

 private:
  Sampler(const SamplingOptions& options, const KernelTable& kernels)
      : options_(options), kernels_(&kernels), rng_(options.seed) {}
  std::int32_t draw(std::span<const float> logits);
  std::int32_t draw_from_all(std::span<const float> logits);

  SamplingOptions options_;
  const KernelTable* kernels_;
  Rng rng_;
  std::vector<std::int32_t> order_;    // candidates, most likely first
  std::vector<double> probabilities_;  // of the candidates
  std::vector<float> all_;             // probabilities of the whole vocabulary
};

}  // namespace assay
