#include "measure/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/rng.h"

namespace assay::measure {
namespace {

double percentile_of_sorted(std::span<const double> sorted, double percent) {
  const double position = percent / 100 * static_cast<double>(sorted.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(position), sorted.size() - 1);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - static_cast<double>(below));
}

std::vector<double> sorted_copy(std::span<const double> values) {
  ASSAY_CHECK(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace

double mean(std::span<const double> values) {
  ASSAY_CHECK(!values.empty());
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::optional<double> sample_stddev(std::span<const double> values) {
  const double center = mean(values);
  if (values.size() == 1) return std::nullopt;
  double squares = 0;
  for (const double value : values) squares += (value - center) * (value - center);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double median(std::span<const double> values) { return percentile(values, 50); }

double percentile(std::span<const double> values, double percent) {
  ASSAY_CHECK(percent >= 0 && percent <= 100);
  return percentile_of_sorted(sorted_copy(values), percent);
}

Interval bootstrap_median_interval(std::span<const double> values, double confidence, int resamples,
                                   std::uint64_t seed) {
  ASSAY_CHECK(!values.empty() && confidence > 0 && confidence < 1 && resamples >= 1);
  Rng rng(seed);
  std::vector<double> medians(static_cast<std::size_t>(resamples));
  std::vector<double> draw(values.size());
  for (double& drawn_median : medians) {
    for (double& value : draw) value = values[rng.below(values.size())];
    drawn_median = median(draw);
  }
  std::sort(medians.begin(), medians.end());
  const double tail_percent = (1 - confidence) / 2 * 100;
  return {percentile_of_sorted(medians, tail_percent), percentile_of_sorted(medians, 100 - tail_percent)};
}

}  // namespace assay::measure
