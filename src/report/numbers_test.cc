#include "report/numbers.h"

#include <gtest/gtest.h>

namespace assay::report {
namespace {

TEST(Numbers, HaveFixedDecimalsAndATrueMinus) {
  EXPECT_EQ(fixed(26, 1), "26.0");
  EXPECT_EQ(signed_fixed(-0.31, 2), "−0.31");
  EXPECT_EQ(signed_fixed(0.31, 2), "+0.31");
}

TEST(Numbers, ThatRoundToNothingHaveNoSign) {
  EXPECT_EQ(fixed(-0.001, 2), "0.00");
  EXPECT_EQ(signed_fixed(0.001, 2), "0.00");
}

TEST(Numbers, HaveThreeSignificantDigits) {
  EXPECT_EQ(significant(0.019234), "0.0192");
  EXPECT_EQ(significant(9.996), "10.0");
  EXPECT_EQ(significant(118.4), "118");
  EXPECT_EQ(significant(2412.0), "2410");
  EXPECT_EQ(significant(4.12e10), "4.1e10");
  EXPECT_EQ(significant(0), "0");
}

TEST(Numbers, AreGroupedByThousands) {
  EXPECT_EQ(grouped(5153), "5,153");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1234567), "1,234,567");
}

TEST(Numbers, GiveSmallPValuesAsABound) {
  EXPECT_EQ(p_value(1e-7), "p < 0.001");
  EXPECT_EQ(p_value(0.0312), "p = 0.031");
  EXPECT_EQ(p_value(0.6), "p = 0.60");
}

}  // namespace
}  // namespace assay::report
