#include "flow/compare_speed.h"

#include "support/testing.h"

namespace assay {
namespace {

SpeedComparison comparison(double median_ratio, double min_ratio) {
  return {.rounds = 5,
          .first_median_seconds = 0.010,
          .second_median_seconds = 0.010 * median_ratio,
          .first_min_seconds = 0.009,
          .second_min_seconds = 0.009 * min_ratio};
}

TEST(SpeedComparison, CallsTheSecondSlowerOnlyWhereMedianAndMinimumAgree) {
  EXPECT_TRUE(comparison(1.2, 1.1).second_is_slower());
  EXPECT_FALSE(comparison(1.2, 1.0).second_is_slower());
  EXPECT_FALSE(comparison(1.0, 1.2).second_is_slower());
  EXPECT_FALSE(comparison(1.04, 1.04).second_is_slower());
  EXPECT_FALSE(comparison(0.5, 0.5).second_is_slower());
}

}  // namespace
}  // namespace assay
