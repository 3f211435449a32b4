#include "report/intervals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace assay::report {
namespace {

// Wilson's interval of 0 of 10 and of 5 of 10 as tables have it (Newcombe 1998, method 3, for 0/20: 0.1611).
TEST(ShareInterval, IsWilsons) {
  EXPECT_NEAR(share_interval(0, 10).high, 0.2775, 1e-4);
  EXPECT_EQ(share_interval(0, 10).low, 0);
  EXPECT_NEAR(share_interval(0, 20).high, 0.1611, 1e-4);
  EXPECT_NEAR(share_interval(0.5, 10).low, 0.2366, 1e-4);
  EXPECT_NEAR(share_interval(0.5, 10).high, 0.7634, 1e-4);
  EXPECT_NEAR(share_interval(1, 10).high, 1, 1e-12);
}

TEST(PairedShareInterval, DependsOnTheDisagreementsOnly) {
  // b = 30, c = 10, n = 1000: -0.02 +- 1.96 sqrt(40 - 0.4) / 1000.
  const Interval interval = paired_share_interval(30, 10, 1000);
  EXPECT_NEAR(interval.low, -0.02 - 1.959964 * std::sqrt(39.6) / 1000, 1e-9);
  EXPECT_NEAR(interval.high, -0.02 + 1.959964 * std::sqrt(39.6) / 1000, 1e-9);
  EXPECT_EQ(paired_share_interval(0, 0, 10).low, 0);
  EXPECT_EQ(paired_share_interval(0, 0, 10).high, 0);
}

TEST(MeanRatio, IsGeometricWithStudentsInterval) {
  // Logarithms -ln 2, 0, ln 2: mean 0, deviation ln 2, three values: half width 4.3027 ln 2 / sqrt(3).
  const Estimate ratio = mean_ratio(std::vector<double>{0.5, 1, 2});
  EXPECT_NEAR(ratio.value, 1, 1e-12);
  ASSERT_TRUE(ratio.interval);
  EXPECT_NEAR(std::log(ratio.interval->high), 4.3027 * std::log(2) / std::sqrt(3), 1e-9);
  EXPECT_NEAR(std::log(ratio.interval->low), -4.3027 * std::log(2) / std::sqrt(3), 1e-9);
}

TEST(MeanRatio, OfOneRoundHasNoInterval) { EXPECT_FALSE(mean_ratio(std::vector<double>{1.5}).interval); }

TEST(EnergySaved, HasTheIntervalOfTheTimes) {
  // Half the energy at twice the speed: the interval of the speed alone moves it.
  const Estimate saved = energy_saved(2, 1, Estimate{2, Interval{1.6, 2.5}});
  EXPECT_DOUBLE_EQ(saved.value, 0.5);
  ASSERT_TRUE(saved.interval);
  EXPECT_DOUBLE_EQ(saved.interval->low, 1 - 0.5 * 2 / 1.6);
  EXPECT_DOUBLE_EQ(saved.interval->high, 1 - 0.5 * 2 / 2.5);
}

TEST(EnergySaved, OfAVariantThatWasNotTimedHasNoInterval) {
  EXPECT_FALSE(energy_saved(2, 3, std::nullopt).interval);
  EXPECT_DOUBLE_EQ(energy_saved(2, 3, std::nullopt).value, -0.5);
}

}  // namespace
}  // namespace assay::report
