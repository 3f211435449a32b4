#include "gradient/adam.h"

#include <cmath>

#include "base/check.h"

namespace assay {
namespace {

// What makes up for a running mean's start at zero.
float start_correction(float beta, std::int64_t step) {
  return static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(beta), static_cast<double>(step))));
}

}  // namespace

AdamStep::AdamStep(std::int64_t step, float rate, const AdamOptions& options)
    : rate_(rate),
      mean_factor_(start_correction(options.beta1, step)),
      square_factor_(start_correction(options.beta2, step)),
      options_(options) {
  ASSAY_CHECK(step >= 1);
}

void AdamStep::move(std::span<float> parameters, std::span<const float> gradients, std::span<float> mean,
                    std::span<float> square) const {
  if (rate_ == 0) return;
  const std::size_t count = parameters.size();
  ASSAY_CHECK(gradients.size() == count && mean.size() == count && square.size() == count);
  const auto [beta1, beta2, epsilon] = options_;
  const float rate = rate_, mean_factor = mean_factor_, square_factor = square_factor_;
  float *p = parameters.data(), *m = mean.data(), *s = square.data();
  const float* g = gradients.data();
  for (std::size_t i = 0; i < count; ++i) {
    m[i] = beta1 * m[i] + (1.0f - beta1) * g[i];
    s[i] = beta2 * s[i] + (1.0f - beta2) * g[i] * g[i];
    p[i] -= rate * (m[i] * mean_factor) / (std::sqrt(s[i] * square_factor) + epsilon);
  }
}

}  // namespace assay
