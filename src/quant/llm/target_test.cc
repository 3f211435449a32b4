#include "quant/llm/target.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quant/llm/cross_moment.h"
#include "quant/llm/test_layer.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::int64_t kTokens = 400, kIn = 24, kOut = 10;

// A layer whose inputs were changed, and a residual stream that lacks something.
struct Drifted {
  Matrix<float> w = normal_matrix(kOut, kIn, 1);
  Matrix<float> x = correlated_inputs(kTokens, kIn, 4, 2);      // of the float model
  Matrix<float> seen = x;                                       // of the quantized one
  Matrix<float> lacking = normal_matrix(kTokens, kOut, 9);
  LayerMoments moments;

  explicit Drifted(double noise, std::uint64_t seed = 5) {
    const auto change = normal_matrix(kTokens, kIn, seed);
    for (std::int64_t i = 0; i < kTokens * kIn; ++i) seen.data()[i] += static_cast<float>(noise) * change.data()[i];
    Matrix<float> lost(kTokens, kIn);
    for (std::int64_t i = 0; i < kTokens * kIn; ++i) lost.data()[i] = x.data()[i] - seen.data()[i];
    ThreadPool pool(1);
    CrossMomentAccumulator drift(kIn, kIn), residual(kOut, kIn);
    drift.add(lost.view(), seen.view(), pool);
    residual.add(lacking.view(), seen.view(), pool);
    moments = {hessian_of(seen), *drift.moment(), *residual.moment()};
  }

  // 2/T sum of |W x + r - V x~|^2, in double.
  double error(const Matrix<float>& v) const {
    double sum = 0;
    for (std::int64_t t = 0; t < kTokens; ++t) {
      for (std::int64_t o = 0; o < kOut; ++o) {
        double difference = lacking.at(t, o);
        for (std::int64_t i = 0; i < kIn; ++i) difference += static_cast<double>(w.at(o, i)) * x.at(t, i) - static_cast<double>(v.at(o, i)) * seen.at(t, i);
        sum += difference * difference;
      }
    }
    return 2.0 / kTokens * sum;
  }

  Matrix<float> shifted(const Matrix<float>& shift, double strength) const {
    Matrix<float> v = w;
    for (std::int64_t i = 0; i < kOut * kIn; ++i) v.data()[i] += static_cast<float>(strength) * shift.data()[i];
    return v;
  }
};

TEST(Target, IsTheLeastSquaresSolution) {
  const Drifted layer(0.5);
  ThreadPool pool(2);
  const auto drift = output_drift(layer.w.view(), layer.moments, pool);
  const auto shift = *target_shift(drift.view(), layer.moments.hessian.view(), 1e-8, pool);
  const auto best = layer.shifted(shift, 1.0);
  const double least = layer.error(best);
  EXPECT_LT(least, 0.98 * layer.error(layer.w));
  // At the least value of a quadratic function, every direction leads up, and equally far on both sides.
  for (std::uint64_t seed = 20; seed < 25; ++seed) {
    const auto direction = normal_matrix(kOut, kIn, seed);
    Matrix<float> up = best, down = best;
    for (std::int64_t i = 0; i < kOut * kIn; ++i) {
      up.data()[i] += 0.1f * direction.data()[i];
      down.data()[i] -= 0.1f * direction.data()[i];
    }
    EXPECT_GT(layer.error(up), least);
    EXPECT_NEAR(layer.error(up) / layer.error(down), 1.0, 1e-3) << seed;
  }
}

TEST(Target, StaysWhereNothingDrifted) {
  Drifted layer(0.0);
  layer.moments.residual = {};
  ThreadPool pool(1);
  const auto drift = output_drift(layer.w.view(), layer.moments, pool);
  const auto shift = *target_shift(drift.view(), layer.moments.hessian.view(), 0.01, pool);
  for (const float value : shift.values()) EXPECT_EQ(value, 0.0f);
}

TEST(Target, DriftedErrorIsThatOfTheOutputsButForAConstant) {
  const Drifted layer(0.5);
  ThreadPool pool(2);
  const auto drift = output_drift(layer.w.view(), layer.moments, pool);
  const double constant = layer.error(layer.w);
  for (std::uint64_t seed = 30; seed < 33; ++seed) {
    const auto v = normal_matrix(kOut, kIn, seed);
    Matrix<float> difference(kOut, kIn);
    for (std::int64_t i = 0; i < kOut * kIn; ++i) difference.data()[i] = layer.w.data()[i] - v.data()[i];
    const double expected = layer.error(v) - constant;
    EXPECT_NEAR(drifted_error(difference.view(), layer.moments.hessian.view(), drift.view(), pool), expected, 1e-4 * layer.error(v)) << seed;
  }
}

TEST(Target, TheBestStrengthIsNoWorseThanAnyOther) {
  for (const std::uint64_t seed : {5, 6, 7}) {
    const Drifted layer(0.5);
    const Drifted unseen(0.5, 100 + seed);
    ThreadPool pool(1);
    const auto shift = *target_shift(output_drift(layer.w.view(), layer.moments, pool).view(), layer.moments.hessian.view(), 0.01, pool);
    const auto drift = output_drift(layer.w.view(), unseen.moments, pool);
    const double strength = best_strength(shift.view(), unseen.moments.hessian.view(), drift.view(), pool);
    const double least = unseen.error(layer.shifted(shift, strength));
    for (double other = 0.0; other <= 1.0; other += 0.1) EXPECT_LE(least, unseen.error(layer.shifted(shift, other)) * (1 + 1e-6)) << other;
  }
}

TEST(Target, RaisesDampingWhereInputsAreFewerThanColumns) {
  const auto x = normal_matrix(3, kIn, 1);
  ThreadPool pool(1);
  const auto drift = normal_matrix(kOut, kIn, 2);
  EXPECT_THAT(target_shift(drift.view(), hessian_of(x).view(), 1e-12, pool), IsOk());
  EXPECT_THAT(target_shift(drift.view(), Matrix<float>(kIn, kIn).view(), 0.01, pool), FailsWith(ErrorCode::kCorrupt, "positive definite"));
}

}  // namespace
}  // namespace assay
