// Statistics of repeated measurements.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace assay::measure {

// REQUIRES of every function here: values is not empty and holds no NaN. Order of the values does not matter
// but for rounding. Thread safe.
double mean(std::span<const double> values);

// With n - 1; none for a single value.
std::optional<double> sample_stddev(std::span<const double> values);

// The mean of the two middle values where their number is even.
double median(std::span<const double> values);

// percent in [0, 100]; linear between the closest ranks (numpy's default): 0 is the minimum, 100 the maximum.
double percentile(std::span<const double> values, double percent);

struct Interval {
  double low = 0;
  double high = 0;
};

// Percentile bootstrap of the median: the middle `confidence` (in (0, 1)) of the medians of `resamples` (>=
// 1) draws with replacement. The same seed gives the same interval on every machine.
Interval bootstrap_median_interval(std::span<const double> values, double confidence, int resamples,
                                   std::uint64_t seed);

}  // namespace assay::measure
