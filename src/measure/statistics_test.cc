#include "measure/statistics.h"

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "support/testing.h"

namespace assay::measure {
namespace {

const std::vector<double> kValues = {9, 1, 4, 2};

TEST(Statistics, AgreeWithHandComputation) {
  EXPECT_EQ(mean(kValues), 4);
  EXPECT_EQ(median(kValues), 3);
  EXPECT_EQ(median(std::vector<double>{5, 1, 2}), 2);
  // Squares of 5, -3, 0, -2 sum to 38; division and root are correctly rounded.
  EXPECT_EQ(sample_stddev(kValues), std::sqrt(38.0 / 3));
}

TEST(Statistics, OfOneValueAreThatValueWithoutDeviation) {
  const std::vector<double> one = {7};
  EXPECT_EQ(mean(one), 7);
  EXPECT_EQ(median(one), 7);
  EXPECT_EQ(percentile(one, 99), 7);
  EXPECT_FALSE(sample_stddev(one).has_value());
}

TEST(Percentile, InterpolatesBetweenTheClosestRanks) {
  // numpy.percentile([9, 1, 4, 2], [0, 10, 50, 90, 100]) == [1, 1.3, 3, 7.5, 9]; 1.3 after one rounding of
  // 0.3.
  EXPECT_EQ(percentile(kValues, 0), 1);
  EXPECT_DOUBLE_EQ(percentile(kValues, 10), 1.3);
  EXPECT_EQ(percentile(kValues, 50), 3);
  EXPECT_DOUBLE_EQ(percentile(kValues, 90), 7.5);
  EXPECT_EQ(percentile(kValues, 100), 9);
}

TEST(BootstrapMedianInterval, DependsOnTheSeedAlone) {
  const Interval first = bootstrap_median_interval(kValues, 0.9, 200, 1);
  const Interval again = bootstrap_median_interval(kValues, 0.9, 200, 1);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
}

TEST(BootstrapMedianInterval, IsAPointForEqualValues) {
  const Interval interval = bootstrap_median_interval(std::vector<double>(6, 2.5), 0.95, 50, 3);
  EXPECT_EQ(interval.low, 2.5);
  EXPECT_EQ(interval.high, 2.5);
}

TEST(BootstrapMedianInterval, CoversTheTrueMedianAsOftenAsItPromises) {
  constexpr std::uint64_t kSeed = 11;
  constexpr int kTrials = 400;
  Rng rng(kSeed);
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> sample(41);
    for (double& value : sample) value = rng.normal();
    const Interval interval = bootstrap_median_interval(sample, 0.9, 300, rng.next());
    covered += interval.low <= 0 && 0 <= interval.high ? 1 : 0;
  }
  // 0.9 within four binomial deviations sqrt(0.9 * 0.1 / 400) = 0.015, and 0.03 for the discreteness of 41
  // values.
  EXPECT_NEAR(covered / static_cast<double>(kTrials), 0.9, 4 * 0.015 + 0.03) << "seed " << kSeed;
}

}  // namespace
}  // namespace assay::measure
