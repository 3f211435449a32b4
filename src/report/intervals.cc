#include "report/intervals.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "measure/statistics.h"

namespace assay::report {
namespace {

constexpr double kNormal = 1.959963984540054;

// The 97.5 % quantile of Student's t for 1 to 30 degrees of freedom; beyond, the normal one is at most 4 %
// too small.
constexpr std::array<double, 30> kStudent{12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060,
                                          2.2622,  2.2281, 2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199,
                                          2.1098,  2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639,
                                          2.0595,  2.0555, 2.0518, 2.0484, 2.0452, 2.0423};

}  // namespace

Interval share_interval(double share, std::int64_t count) {
  ASSAY_CHECK(count > 0 && share >= 0 && share <= 1);
  const double n = static_cast<double>(count);
  const double z2 = kNormal * kNormal;
  const double center = (share + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kNormal / (1 + z2 / n) * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

Interval paired_share_interval(std::int64_t only_reference, std::int64_t only_this, std::int64_t count) {
  ASSAY_CHECK(count > 0);
  const double n = static_cast<double>(count);
  const double lost = static_cast<double>(only_reference), won = static_cast<double>(only_this);
  const double spread = std::max(0.0, lost + won - (won - lost) * (won - lost) / n);
  const double half = kNormal * std::sqrt(spread) / n;
  return {(won - lost) / n - half, (won - lost) / n + half};
}

Estimate mean_ratio(std::span<const double> ratios) {
  ASSAY_CHECK(!ratios.empty());
  std::vector<double> logarithms;
  for (const double ratio : ratios) {
    ASSAY_CHECK(ratio > 0);
    logarithms.push_back(std::log(ratio));
  }
  const double center = measure::mean(logarithms);
  const auto deviation = measure::sample_stddev(logarithms);
  if (!deviation) return {std::exp(center), std::nullopt};
  const std::size_t freedom = logarithms.size() - 1;
  const double t = freedom <= kStudent.size() ? kStudent[freedom - 1] : kNormal;
  const double half = t * *deviation / std::sqrt(static_cast<double>(logarithms.size()));
  return {std::exp(center), Interval{std::exp(center - half), std::exp(center + half)}};
}

Estimate energy_saved(double reference_joules, double joules, const std::optional<Estimate>& speedup) {
  ASSAY_CHECK(reference_joules > 0 && joules > 0);
  const double ratio = joules / reference_joules;
  Estimate saved{1 - ratio, std::nullopt};
  if (speedup && speedup->interval && speedup->interval->low > 0)
    saved.interval = Interval{1 - ratio * speedup->value / speedup->interval->low,
                              1 - ratio * speedup->value / speedup->interval->high};
  return saved;
}

}  // namespace assay::report
