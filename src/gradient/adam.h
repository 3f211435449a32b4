// The Adam optimizer (arXiv:1412.6980) over one array of parameters.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace assay {

struct AdamOptions {
  float beta1 = 0.9f;
  float beta2 = 0.95f;
  float epsilon = 1e-12f;  // of gradients whose scale the loss decides: far below all of them
};

// Running means of the gradient and its square.
struct AdamState {
  std::vector<float> mean, square;
};

// One step: parameters -= rate * mean / (sqrt(square) + epsilon), both means corrected for their start at
// zero; `gradients` are zero afterwards. `step` counts from 1. REQUIRES: equal sizes of parameters and
// gradients; state is empty or of that size. Determinism: the same bits for any number of threads.
void adam_step(std::span<float> parameters, std::span<float> gradients, AdamState& state, std::int64_t step,
               float rate, const AdamOptions& options, ThreadPool& pool);

}  // namespace assay
