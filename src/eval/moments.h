// Mean and standard error as lm-evaluation-harness computes them.
#pragma once
#include <optional>
#include <span>

namespace assay::eval {

struct Moments {
  double mean = 0;
  std::optional<double> stderr_of_mean;  // sample deviation (n - 1) / sqrt(n); none for a single value
};

// Two passes in order, in double. REQUIRES: values is not empty.
Moments moments(std::span<const double> values);

}  // namespace assay::eval
