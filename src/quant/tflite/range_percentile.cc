#include <algorithm>
#include <cmath>

#include "quant/tflite/range_estimators.h"

namespace assay::tflite {
namespace {

// The value below which `below` of the counted values lie, linear within a bin.
double quantile(const Histogram& histogram, double below) {
  double seen = 0;
  const auto& bins = histogram.bins();
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const auto here = static_cast<double>(bins[i]);
    if (here > 0 && seen + here >= below) {
      const double left = (static_cast<double>(i) - static_cast<double>(bins.size() / 2)) * histogram.width();
      return left + histogram.width() * (below - seen) / here;
    }
    seen += here;
  }
  return static_cast<double>(histogram.min_max().max);
}

}  // namespace

Range percentile_range(const Histogram& histogram, double fraction) {
  const Range all = histogram.min_max();
  const auto count = static_cast<double>(histogram.count());
  if (fraction >= 1) return all;
  const auto low = static_cast<float>(quantile(histogram, count * (1 - fraction)));
  const auto high = static_cast<float>(quantile(histogram, count * fraction));
  return {std::clamp(low, all.min, all.max), std::clamp(high, all.min, all.max), all.rms};
}

}  // namespace assay::tflite
