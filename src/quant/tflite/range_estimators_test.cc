#include "quant/tflite/range_estimators.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

constexpr std::uint64_t kSeed = 11;

std::vector<float> normal_values(std::size_t count) {
  Rng rng(kSeed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

double mean_squared_error(const std::vector<float>& values, Range range) {
  const float scale = (range.max - range.min) / 255;
  double sum = 0;
  for (const float value : values) {
    const float clipped = std::clamp(value, range.min, range.max);
    const float rounded = range.min + scale * std::round((clipped - range.min) / scale);
    sum += static_cast<double>((value - rounded) * (value - rounded));
  }
  return sum / static_cast<double>(values.size());
}

TEST(Histogram, CountsTheSameInAnyOrderAndInParts) {
  auto values = normal_values(10000);
  values[500] = 1e6f;
  values[600] = NAN;
  Histogram whole, reversed, first, second;
  whole.add(values);
  std::reverse(values.begin(), values.end());
  reversed.add(values);
  first.add(std::span(values).first(3000));
  second.add(std::span(values).subspan(3000));
  first.merge(second);
  for (const Histogram* other : {&reversed, &first}) {
    EXPECT_EQ(other->bins(), whole.bins());
    EXPECT_EQ(other->width(), whole.width());
    EXPECT_EQ(other->min_max().min, whole.min_max().min);
  }
  EXPECT_EQ(first.rms(), whole.rms());
  EXPECT_EQ(whole.count(), 9999u);
  EXPECT_EQ(whole.not_finite(), 1u);
  EXPECT_EQ(whole.min_max().max, 1e6f);
}

TEST(Histogram, PutsEveryValueIntoTheBinThatHoldsIt) {
  auto values = normal_values(3001);
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] *= 1e-6f;
  for (const float tiny : {-1e-40f, 1e-40f, -0.0f, -1e-30f}) values.push_back(tiny);
  Histogram histogram;
  histogram.add(values);
  std::vector<std::uint64_t> expected(Histogram::kBins);
  for (const float value : values) {
    const double bin = std::floor(static_cast<double>(value) / histogram.width());
    ++expected[static_cast<std::size_t>(bin + Histogram::kBins / 2)];
  }
  EXPECT_EQ(histogram.bins(), expected);
}

TEST(Histogram, OfAConstantHasThatValueAtBothEnds) {
  Histogram histogram;
  histogram.add(std::vector<float>{-3, -3});
  EXPECT_EQ(histogram.min_max().min, -3);
  EXPECT_EQ(histogram.min_max().max, -3);
  EXPECT_FLOAT_EQ(mse_range(histogram).min, -3);
  EXPECT_FLOAT_EQ(mse_range(histogram).rms, 3);
}

TEST(PercentileRange, LeavesOutThatShareAtEitherEnd) {
  std::vector<float> values(10000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  Histogram histogram;
  histogram.add(values);
  const Range range = percentile_range(histogram, 0.99);
  EXPECT_NEAR(range.min, 100, histogram.width());
  EXPECT_NEAR(range.max, 9900, histogram.width());
  EXPECT_EQ(percentile_range(histogram, 1).max, 9999);
}

TEST(MseRange, HasLessErrorThanMinMaxOnValuesWithOutliers) {
  auto values = normal_values(50000);
  values[77] = 40;
  Histogram histogram;
  histogram.add(values);
  const Range best = mse_range(histogram);
  EXPECT_LT(mean_squared_error(values, best), mean_squared_error(values, histogram.min_max()))
      << "seed " << kSeed;
  EXPECT_LT(best.max, 40);
}

TEST(EntropyRange, CutsOffATailThatHoldsNextToNothing) {
  auto values = normal_values(50000);
  values[77] = 40;
  Histogram histogram;
  histogram.add(values);
  const Range range = entropy_range(histogram);
  EXPECT_LT(range.max, 20) << "seed " << kSeed;
  EXPECT_GT(range.max, 2);
}

TEST(MovingAverageRange, StartsWithTheFirstBatchAndFollowsSlowly) {
  MovingAverageRange average(0.9);
  EXPECT_FALSE(average.range().has_value());
  average.update({-1, 1});
  average.update({-1, 11});
  EXPECT_FLOAT_EQ(average.range()->max, 2);
  EXPECT_FLOAT_EQ(average.range()->min, -1);
}

}  // namespace
}  // namespace assay::tflite
