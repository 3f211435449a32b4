#include "gradient/adam.h"

#include <cmath>

#include "base/check.h"

namespace assay {

void adam_step(std::span<float> parameters, std::span<float> gradients, AdamState& state, std::int64_t step,
               float rate, const AdamOptions& options, ThreadPool& pool) {
  ASSAY_CHECK(gradients.size() == parameters.size() && step >= 1);
  state.mean.resize(parameters.size());
  state.square.resize(parameters.size());
  const auto steps = static_cast<double>(step);
  const auto mean_factor =
      static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(options.beta1), steps)));
  const auto square_factor =
      static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(options.beta2), steps)));
  float *p = parameters.data(), *g = gradients.data(), *mean = state.mean.data(),
        *square = state.square.data();
  pool.parallel_for(static_cast<std::int64_t>(parameters.size()), 64, [&](WorkRange range) {
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      mean[i] = options.beta1 * mean[i] + (1.0f - options.beta1) * g[i];
      square[i] = options.beta2 * square[i] + (1.0f - options.beta2) * g[i] * g[i];
      p[i] -= rate * (mean[i] * mean_factor) / (std::sqrt(square[i] * square_factor) + options.epsilon);
      g[i] = 0.0f;
    }
  });
}

}  // namespace assay
