#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/tflite/range_estimators.h"

namespace assay::tflite {
namespace {

constexpr std::size_t kLevels = 256;
constexpr int kSteps = 64;
constexpr float kSmallest = 0.1f;

// The divergence of the distribution with its tails moved into the outermost bins from what 256 levels leave
// of the bins inside: the count of each level, spread over its non-empty bins.
double divergence(const std::vector<std::uint64_t>& bins, std::size_t begin, std::size_t end) {
  std::vector<double> reference(bins.begin() + static_cast<std::ptrdiff_t>(begin),
                                bins.begin() + static_cast<std::ptrdiff_t>(end));
  const std::vector<double> inside = reference;
  for (std::size_t i = 0; i < begin; ++i) reference.front() += static_cast<double>(bins[i]);
  for (std::size_t i = end; i < bins.size(); ++i) reference.back() += static_cast<double>(bins[i]);
  std::vector<double> level_sum(kLevels), level_bins(kLevels);
  const auto level = [&](std::size_t i) { return i * kLevels / inside.size(); };
  double total_inside = 0, total = 0;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    level_sum[level(i)] += inside[i];
    level_bins[level(i)] += inside[i] > 0 ? 1 : 0;
    total_inside += inside[i];
    total += reference[i];
  }
  if (total_inside == 0) return std::numeric_limits<double>::infinity();
  // Bins that only the tails fill have no counterpart; a small probability stands for it.
  const double floor = 1e-9;
  double sum = 0;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (reference[i] == 0) continue;
    const double p = reference[i] / total;
    const double q = inside[i] > 0 ? level_sum[level(i)] / level_bins[level(i)] / total_inside : floor;
    sum += p * std::log(p / q);
  }
  return sum;
}

}  // namespace

Range entropy_range(const Histogram& histogram) {
  const Range all = histogram.min_max();
  const double width = histogram.width();
  const auto zero = static_cast<double>(Histogram::kBins / 2);
  const auto bin = [&](double value) { return std::clamp(value / width + zero, 0.0, 2 * zero); };
  Range best = all;
  double least = std::numeric_limits<double>::infinity();
  const auto try_range = [&](Range range) {
    const auto begin =
        static_cast<std::size_t>(std::floor(bin(std::min(0.0, static_cast<double>(range.min)))));
    const auto end = static_cast<std::size_t>(std::ceil(bin(std::max(0.0, static_cast<double>(range.max)))));
    // With no more bins than levels nothing is lost, whatever the distribution: no ground to choose by.
    if (end - begin <= kLevels) return;
    const double here = divergence(histogram.bins(), begin, end);
    if (here >= least) return;
    least = here;
    best = {range.min, range.max, all.rms};
  };
  const auto factor = [](int step) { return 1 - (1 - kSmallest) * static_cast<float>(step) / kSteps; };
  // One end after the other, since the tails differ.
  for (int i = 0; i <= kSteps; ++i) try_range({all.min, all.max * factor(i)});
  const float high = best.max;
  for (int i = 1; i <= kSteps; ++i) try_range({all.min * factor(i), high});
  return best;
}

}  // namespace assay::tflite
