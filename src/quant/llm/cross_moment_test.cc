#include "quant/llm/cross_moment.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quant/llm/test_layer.h"
#include "support/testing.h"

namespace assay {
namespace {

TEST(CrossMoment, IsTheSumOfOuterProductsInDouble) {
  const auto a = normal_matrix(301, 37, 1);
  const auto b = normal_matrix(301, 300, 2);
  ThreadPool pool(2);
  CrossMomentAccumulator sum(37, 300);
  sum.add(a.view().rows_between(0, 100), b.view().rows_between(0, 100), pool);
  sum.add(a.view().rows_between(100, 301), b.view().rows_between(100, 301), pool);
  const auto moment = *sum.moment();
  for (std::int64_t i = 0; i < 37; ++i) {
    for (std::int64_t j = 0; j < 300; ++j) {
      double exact = 0, magnitude = 0;
      for (std::int64_t t = 0; t < 301; ++t) {
        exact += 2.0 / 301 * a.at(t, i) * b.at(t, j);
        magnitude += 2.0 / 301 * std::fabs(a.at(t, i) * b.at(t, j));
      }
      ASSERT_NEAR(moment.at(i, j), exact, 302 * 0x1p-24 * magnitude) << i << ", " << j;
    }
  }
}

TEST(CrossMoment, OfAMatrixWithItselfIsItsHessian) {
  const auto x = normal_matrix(200, 40, 3);
  ThreadPool pool(1);
  CrossMomentAccumulator sum(40, 40);
  sum.add(x.view(), x.view(), pool);
  const auto h = hessian_of(x);
  const auto moment = *sum.moment();
  for (std::int64_t i = 0; i < 40 * 40; ++i) EXPECT_NEAR(moment.data()[i], h.data()[i], 1e-5 * h.at(i / 40, i / 40) + 1e-5);
}

TEST(CrossMoment, FailsWhereNothingWasAdded) {
  EXPECT_THAT(CrossMomentAccumulator(2, 3).moment(), FailsWith(ErrorCode::kInvalidArgument, "no input"));
}

}  // namespace
}  // namespace assay
