#include <algorithm>
#include <cmath>

#include "quant/tflite/range_estimators.h"

namespace assay::tflite {
namespace {

constexpr double kLevels = 255;
constexpr int kSteps = 50;         // of the search from the full range inwards
constexpr double kSmallest = 0.1;  // of the full range that is tried

// What rounding to the levels of [low, high] and clipping beyond costs. Within a bin values are as good as
// uniform, so where a step is wider than a bin its error is taken at the bin's middle.
double squared_error(const Histogram& histogram, double low, double high) {
  const double scale = std::max(high - low, 1e-30) / kLevels;
  const auto& bins = histogram.bins();
  double sum = 0;
  for (std::size_t i = 0; i < bins.size(); ++i) {
    if (bins[i] == 0) continue;
    const double value = histogram.center(i);
    const double clipped = std::clamp(value, low, high);
    // Where in a step a value lies is chance; a twelfth of the step squared is the mean over that.
    const double error = value == clipped ? scale * scale / 12 : (value - clipped) * (value - clipped);
    sum += static_cast<double>(bins[i]) * error;
  }
  return sum;
}

}  // namespace

Range mse_range(const Histogram& histogram) {
  const Range all = histogram.min_max();
  const double min = std::min(0.0, static_cast<double>(all.min));
  const double max = std::max(0.0, static_cast<double>(all.max));
  double low = min, high = max;
  double best = squared_error(histogram, low, high);
  const auto try_range = [&](double new_low, double new_high) {
    const double error = squared_error(histogram, new_low, new_high);
    if (error >= best) return;
    best = error;
    low = new_low;
    high = new_high;
  };
  const auto factor = [](int step) { return 1 - (1 - kSmallest) * step / kSteps; };
  for (int i = 1; i <= kSteps; ++i) try_range(min * factor(i), max * factor(i));
  // Then each end alone, since the tails differ.
  for (int i = 0; i <= kSteps; ++i) try_range(low, max * factor(i));
  for (int i = 0; i <= kSteps; ++i) try_range(min * factor(i), high);
  return {static_cast<float>(low), static_cast<float>(high), all.rms};
}

}  // namespace assay::tflite
