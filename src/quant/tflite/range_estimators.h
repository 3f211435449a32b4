// From the values that a tensor took to the range that int8 should cover. Pure functions of a histogram; each
// in the file of its name. REQUIRES of all: the histogram has values.
#pragma once
#include <cstdint>
#include <optional>

#include "quant/tflite/activation_ranges.h"
#include "quant/tflite/histogram.h"

namespace assay::tflite {

// Between the quantiles 1 - fraction and fraction: 0.9999 leaves out one value in 10,000 at either end.
// 0.5 < fraction <= 1; 1 is min and max.
Range percentile_range(const Histogram& histogram, double fraction);

// The range whose 256 levels have the least mean squared error.
Range mse_range(const Histogram& histogram);

// The range whose 256 levels keep most of the distribution: least Kullback-Leibler divergence.
// Source: S. Migacz, 8-bit inference with TensorRT, GTC 2017, for ranges that are not symmetric.
Range entropy_range(const Histogram& histogram);

// Exponential moving average of the minimum and maximum of each batch, the first taken as it is.
// Depends on the order of the batches.
class MovingAverageRange {
 public:
  explicit MovingAverageRange(double momentum = 0.95) : momentum_(momentum) {}
  void update(Range batch);
  std::optional<Range> range() const { return range_; }

 private:
  double momentum_;
  std::optional<Range> range_;
};

}  // namespace assay::tflite
