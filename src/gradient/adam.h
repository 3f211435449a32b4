// The Adam optimizer (arXiv:1412.6980) over one array of parameters.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace assay {

struct AdamOptions {
  float beta1 = 0.9f;
  float beta2 = 0.95f;
  float epsilon = 1e-12f;  // of gradients whose scale the loss decides: far below all of them
};

// Running means of the gradient and its square.
struct AdamState {
  std::vector<float> mean, square;

  // Zeros, unless it has that size.
  void reach(std::size_t size) {
    mean.resize(size);
    square.resize(size);
  }
};

// One step of many parameters, taken array by array: parameters -= rate * mean / (sqrt(square) + epsilon),
// both means corrected for their start at zero.
class AdamStep {
 public:
  // `step` counts from 1.
  AdamStep(std::int64_t step, float rate, const AdamOptions& options = {});

  // Does nothing where the rate is 0. REQUIRES: all of one size, mean and square zero before the first step.
  // Thread safety: safe at once for arrays that do not overlap.
  void move(std::span<float> parameters, std::span<const float> gradients, std::span<float> mean,
            std::span<float> square) const;

 private:
  float rate_, mean_factor_, square_factor_;
  AdamOptions options_;
};

}  // namespace assay
