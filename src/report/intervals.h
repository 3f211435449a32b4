// The intervals that the report makes itself; the others come with the records.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "report/study.h"

namespace assay::report {

// Wilson's score interval of a share. REQUIRES: count > 0, 0 <= share <= 1. Unlike share +- 1.96 standard
// errors it stays in [0, 1] and has a width where the share is 0 or 1.
Interval share_interval(double share, std::int64_t count);

// Of the difference of two shares of the same examples, only_this - only_reference of them apart:
// (c - b) / n +- 1.96 sqrt(b + c - (c - b)^2 / n) / n. REQUIRES: count > 0.
Interval paired_share_interval(std::int64_t only_reference, std::int64_t only_this, std::int64_t count);

// Geometric mean of ratios with Student's t interval of their logarithms; no interval for a single one.
// REQUIRES: not empty, all > 0.
Estimate mean_ratio(std::span<const double> ratios);

// How much less energy a variant takes than its reference, as a share of the latter's; below 0: more. Each
// was measured once, so that the interval is that of the paired times: `speedup` is how many times as fast
// the variant is, and power is taken as it was measured. It is too narrow by whatever power varies. REQUIRES:
// both energies > 0.
Estimate energy_saved(double reference_joules, double joules, const std::optional<Estimate>& speedup);

}  // namespace assay::report
