#include "quant/llm/gptq.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "quant/llm/rtn.h"
#include "quant/llm/test_layer.h"
#include "support/testing.h"

namespace assay {
namespace {

Matrix<float> identity(std::int64_t dim) {
  Matrix<float> h(dim, dim);
  for (std::int64_t i = 0; i < dim; ++i) h.at(i, i) = 1.0f;
  return h;
}

GptqOptions make_options(int bits, std::int64_t group_size, ColumnOrder order = ColumnOrder::kNatural, bool static_groups = false) {
  GptqOptions options;
  options.grid.bits = bits;
  options.grid.sym = false;
  options.group_size = group_size;
  options.order = order;
  options.static_groups = static_groups;
  return options;
}

Result<GptqResult> solve(const Matrix<float>& w, const Matrix<float>& h, const GptqOptions& options, int threads = 2) {
  ThreadPool pool(threads);
  ASSAY_TRY(const auto factor, prepare_hessian(h.view(), options));
  return quantize_gptq(w.view(), factor, options, pool);
}

std::vector<std::uint8_t> codes_of(const GroupQuantMatrix& q) {
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(q.rows() * q.cols()));
  for (std::int64_t row = 0; row < q.rows(); ++row) {
    q.get_row(row, std::span(codes).subspan(static_cast<std::size_t>(row * q.cols()), static_cast<std::size_t>(q.cols())));
  }
  return codes;
}

bool same_matrix(const GroupQuantMatrix& a, const GroupQuantMatrix& b) {
  if (a.num_groups() != b.num_groups() || codes_of(a) != codes_of(b)) return false;
  for (std::int64_t row = 0; row < a.rows(); ++row) {
    for (std::int64_t group = 0; group < a.num_groups(); ++group) {
      if (a.scale(row, group).bits != b.scale(row, group).bits || a.zero(row, group) != b.zero(row, group)) return false;
    }
  }
  return true;
}

constexpr ColumnOrder kOrders[] = {ColumnOrder::kNatural, ColumnOrder::kActivation, ColumnOrder::kGroupAware};

TEST(QuantizeGptq, WithAnIdentityHessianIsRoundToNearest) {
  const auto w = normal_matrix(37, 150, 1);
  ThreadPool pool(1);
  for (const auto order : kOrders) {
    for (const bool static_groups : {false, true}) {
      for (const int bits : {2, 3, 4, 8}) {
        for (const std::int64_t group_size : {-1, 32, 64, 1000}) {
          const auto options = make_options(bits, group_size, order, static_groups);
          const auto result = solve(w, identity(150), options);
          ASSERT_THAT(result, IsOk());
          const auto rtn = *quantize_rtn(w.view(), group_size, options.grid, {}, pool);
          EXPECT_TRUE(same_matrix(result->matrix, rtn)) << bits << " bits, group " << group_size;
          // Under the identity both errors are the same norm; one is a ratio of squares.
          EXPECT_NEAR(result->error.output, result->error.weight * result->error.weight, 1e-12 * result->error.output + 1e-300);
        }
      }
    }
  }
}

TEST(QuantizeGptq, IsBetterThanRoundToNearestInTheNormOfTheHessian) {
  ThreadPool pool(2);
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto w = normal_matrix(64, 160, seed);
    const auto h = hessian_of(correlated_inputs(600, 160, 20, 10 * seed));
    for (const auto order : kOrders) {
      for (const bool static_groups : {false, true}) {
        for (const int bits : {2, 3, 4, 8}) {
          const auto options = make_options(bits, 64, order, static_groups);
          const auto result = solve(w, h, options);
          ASSERT_THAT(result, IsOk());
          const auto rtn = layer_error(w.view(), *quantize_rtn(w.view(), 64, options.grid, {}, pool), {}, h.view(), pool);
          EXPECT_LT(result->error.output, rtn.output) << bits << " bits, seed " << seed;
        }
      }
    }
  }
}

TEST(QuantizeGptq, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto w = normal_matrix(250, 130, 3);
  const auto h = hessian_of(correlated_inputs(300, 130, 10, 4));
  for (const auto order : kOrders) {
    const auto options = make_options(3, 32, order);
    const auto one = *solve(w, h, options, 1);
    for (const int threads : {2, 3}) {
      const auto more = *solve(w, h, options, threads);
      EXPECT_TRUE(same_matrix(one.matrix, more.matrix)) << threads;
      EXPECT_EQ(one.error.output, more.error.output) << threads;
    }
  }
}

TEST(QuantizeGptq, ARowDoesNotDependOnTheOtherRows) {
  const auto w = normal_matrix(200, 96, 5);
  const auto h = hessian_of(correlated_inputs(300, 96, 10, 6));
  const auto options = make_options(4, 32);
  ThreadPool pool(1);
  const auto factor = *prepare_hessian(h.view(), options);
  const auto all = *quantize_gptq(w.view(), factor, options, pool);
  const auto tail = *quantize_gptq(w.view().rows_between(96, 192), factor, options, pool);
  const auto all_codes = codes_of(all.matrix);
  EXPECT_TRUE(std::equal(all_codes.begin() + 96 * 96, all_codes.begin() + 192 * 96, codes_of(tail.matrix).begin()));
}

TEST(QuantizeGptq, DoesNotDependOnTheScaleOfTheHessian) {
  const auto w = normal_matrix(40, 96, 5);
  auto x = correlated_inputs(300, 96, 10, 6);
  for (std::int64_t t = 0; t < x.rows(); ++t) x.at(t, 50) = 0.0f;  // a dead column has no scale of its own
  const auto h = hessian_of(x);
  for (const float factor : {0x1p-60f, 0x1p60f}) {
    auto scaled = h;
    for (std::int64_t i = 0; i < 96 * 96; ++i) scaled.data()[i] *= factor;
    const auto options = make_options(4, 32, ColumnOrder::kGroupAware);
    EXPECT_TRUE(same_matrix(solve(w, h, options)->matrix, solve(w, scaled, options)->matrix)) << factor;
  }
}

TEST(QuantizeGptq, ReportsAColumnOrderOnlyWhereGroupsAreNotNeighbours) {
  const auto w = normal_matrix(8, 96, 5);
  const auto h = hessian_of(correlated_inputs(300, 96, 10, 6));
  for (const auto order : kOrders) {
    for (const bool static_groups : {false, true}) {
      for (const std::int64_t group_size : {-1, 32, 96}) {
        const auto result = *solve(w, h, make_options(4, group_size, order, static_groups));
        const bool expected = order == ColumnOrder::kActivation && !static_groups && group_size == 32;
        EXPECT_EQ(!result.column_order.empty(), expected) << group_size;
        auto sorted = result.column_order;
        std::sort(sorted.begin(), sorted.end());
        for (std::size_t i = 0; i < sorted.size(); ++i) EXPECT_EQ(sorted[i], static_cast<std::int32_t>(i));
        for (std::size_t i = 1; i < sorted.size(); ++i) {
          const auto before = result.column_order[i - 1];
          const auto after = result.column_order[i];
          EXPECT_GE(h.at(before, before), h.at(after, after)) << i;
        }
      }
    }
  }
}

TEST(QuantizeGptq, StaticGroupsAreTheGridsOfTheOriginalWeightsInAnyOrder) {
  const auto w = normal_matrix(30, 112, 5);
  const auto h = hessian_of(correlated_inputs(300, 112, 10, 6));
  ThreadPool pool(1);
  for (const auto order : kOrders) {
    const auto options = make_options(4, 32, order, true);
    const auto result = *solve(w, h, options);
    const auto rtn = *quantize_rtn(w.view(), 32, options.grid, {}, pool);
    for (std::int64_t row = 0; row < 30; ++row) {
      for (std::int64_t group = 0; group < 4; ++group) {
        EXPECT_EQ(result.matrix.scale(row, group).bits, rtn.scale(row, group).bits);
        EXPECT_EQ(result.matrix.zero(row, group), rtn.zero(row, group));
      }
    }
  }
}

TEST(QuantizeGptq, EightBitsAreNearlyLossless) {
  const auto w = normal_matrix(64, 128, 5);
  const auto h = hessian_of(correlated_inputs(500, 128, 10, 6));
  const auto result = *solve(w, h, make_options(8, 64));
  // A step is below 8 standard deviations / 255, uniform rounding errors are 1/sqrt(12) of it: relative error below 0.0091,
  // and GPTQ's is at most doubled by what it moves between columns.
  EXPECT_LT(result.error.weight, 2 * 0.0091);
  EXPECT_LT(result.error.output, 0.0091 * 0.0091);
}

TEST(QuantizeGptq, DeadColumnsBecomeZeroAndLeaveTheOthersAlone) {
  const auto w = normal_matrix(20, 64, 5);
  auto x = correlated_inputs(300, 64, 10, 6);
  for (std::int64_t t = 0; t < x.rows(); ++t) x.at(t, 3) = x.at(t, 63) = 0.0f;
  for (const auto order : kOrders) {
    const auto options = make_options(4, -1, order);
    const auto h = hessian_of(x);
    EXPECT_EQ(prepare_hessian(h.view(), options)->dead, (std::vector<std::int32_t>{3, 63}));
    const auto result = *solve(w, h, options);
    EXPECT_EQ(result.damp_retries, 0);
    std::vector<std::uint8_t> codes(64);
    for (std::int64_t row = 0; row < 20; ++row) {
      result.matrix.get_row(row, codes);
      EXPECT_EQ(codes[3], result.matrix.zero(row, 0));
      EXPECT_EQ(codes[63], result.matrix.zero(row, 0));
    }
  }
}

TEST(QuantizeGptq, RowsOfZerosStayZero) {
  auto w = normal_matrix(10, 64, 5);
  std::fill_n(w.row(4), 64, 0.0f);
  const auto result = *solve(w, hessian_of(correlated_inputs(300, 64, 10, 6)), make_options(4, 16));
  std::vector<std::uint8_t> codes(64);
  result.matrix.get_row(4, codes);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(codes[i], result.matrix.zero(4, static_cast<std::int64_t>(i) / 16));
}

TEST(QuantizeGptq, TakesFewerSamplesThanColumns) {
  const auto w = normal_matrix(20, 64, 5);
  const auto h = hessian_of(correlated_inputs(3, 64, 1, 6));  // rank 3
  const auto result = solve(w, h, make_options(4, 32));
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->damp_used, 0.05);
  EXPECT_EQ(result->damp_retries, 0);
  ThreadPool pool(1);
  const auto rtn = layer_error(w.view(), *quantize_rtn(w.view(), 32, make_options(4, 32).grid, {}, pool), {}, h.view(), pool);
  EXPECT_LT(result->error.output, rtn.output);
}

TEST(PrepareHessian, RaisesDampingUntilPositiveDefiniteAndReportsIt) {
  auto h = identity(8);
  h.at(0, 1) = h.at(1, 0) = 3.0f;  // eigenvalue -2: needs more damping than 2
  const auto factor = prepare_hessian(h.view(), make_options(4, -1));
  ASSERT_THAT(factor, IsOk());
  EXPECT_EQ(factor->damp_retries, 2);
  EXPECT_NEAR(factor->damp_used, 5.0, 1e-12);
  const auto result = solve(normal_matrix(5, 8, 1), h, make_options(4, -1));
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->damp_retries, 2);
}

TEST(PrepareHessian, GivesUpOnAMatrixThatIsNoSumOfOuterProducts) {
  auto h = identity(4);
  h.at(0, 1) = h.at(1, 0) = 1e9f;
  const auto factor = prepare_hessian(h.view(), make_options(4, -1));
  ASSERT_FALSE(factor.has_value());
  EXPECT_EQ(factor.error().code, ErrorCode::kCorrupt);
}

TEST(PrepareHessian, FactorsTheInverse) {
  const auto h = hessian_of(correlated_inputs(100, 40, 5, 6));
  const auto factor = *prepare_hessian(h.view(), make_options(4, -1, ColumnOrder::kActivation));
  double mean = 0.0;
  for (std::int64_t i = 0; i < 40; ++i) mean += h.at(i, i) / 40.0;
  // (U^T U) (H / mean + damp I) = I, up to U's rounding to float32 times the condition number.
  double largest = 0.0;
  for (std::int64_t i = 0; i < 40; ++i) {
    for (std::int64_t j = 0; j < 40; ++j) {
      double sum = 0.0;
      for (std::int64_t k = 0; k < 40; ++k) {
        double inverse = 0.0;
        for (std::int64_t m = 0; m <= std::min(i, k); ++m) {
          inverse += static_cast<double>(factor.upper.at(m, i)) * factor.upper.at(m, k);
        }
        const auto row = factor.order[static_cast<std::size_t>(k)];
        const auto col = factor.order[static_cast<std::size_t>(j)];
        sum += inverse * (h.at(row, col) / mean + (k == j ? 0.05 : 0.0));
      }
      largest = std::max(largest, std::fabs(sum - (i == j ? 1.0 : 0.0)));
    }
  }
  // Condition number: eigenvalues lie in [0.05, 40 + 0.05] as the trace is 40; two roundings per entry, sums of 40.
  EXPECT_LT(largest, 40.05 / 0.05 * 2 * 40 * std::ldexp(1.0, -24));
}

TEST(PrepareHessian, ReadsTheUpperTriangleOnly) {
  const auto h = hessian_of(correlated_inputs(100, 40, 5, 6));
  auto upper = h;
  for (std::int64_t i = 0; i < 40; ++i) {
    for (std::int64_t j = 0; j < i; ++j) upper.at(i, j) = std::numeric_limits<float>::quiet_NaN();
  }
  const auto w = normal_matrix(6, 40, 1);
  const auto options = make_options(4, 16, ColumnOrder::kActivation);
  EXPECT_TRUE(same_matrix(solve(w, h, options)->matrix, solve(w, upper, options)->matrix));
}

TEST(PrepareHessian, NamesWhatIsWrong) {
  const auto message = [](const Matrix<float>& h, const GptqOptions& options) {
    const auto factor = prepare_hessian(h.view(), options);
    return factor.has_value() ? std::string() : factor.error().message;
  };
  auto h = identity(6);
  h.at(2, 5) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message(h, make_options(4, -1)), "Hessian[2, 5] is nan, expected finite values");
  h = identity(6);
  h.at(3, 3) = -1.0f;
  EXPECT_NE(message(h, make_options(4, -1)).find("Hessian[3, 3] is -1"), std::string::npos);
  EXPECT_NE(message(Matrix<float>(6, 6), make_options(4, -1)).find("0 everywhere"), std::string::npos);
  auto options = make_options(4, -1);
  options.damp = 0;
  EXPECT_NE(message(identity(6), options).find("damp is 0"), std::string::npos);
  options = make_options(4, -1);
  options.block_size = 0;
  EXPECT_NE(message(identity(6), options).find("block size is 0"), std::string::npos);
  EXPECT_NE(message(identity(6), make_options(6, -1)).find("bits is 6"), std::string::npos);
}

TEST(QuantizeGptq, NamesTheWeightThatIsNotFinite) {
  auto w = normal_matrix(3, 8, 1);
  w.at(2, 4) = -std::numeric_limits<float>::infinity();
  const auto result = solve(w, identity(8), make_options(4, -1));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(result.error().message, "weight[2, 4] is -inf, expected finite values");
}

TEST(QuantizeGptq, SurvivesWeightsAndHessiansAtTheEndsOfFloat) {
  for (const float magnitude : {1e-44f, 1e-20f, 1e20f, 3e38f}) {
    auto w = normal_matrix(5, 16, 1);
    for (std::int64_t i = 0; i < 80; ++i) w.data()[i] = std::clamp(w.data()[i], -1.0f, 1.0f) * magnitude;
    const auto result = solve(w, hessian_of(correlated_inputs(40, 16, 2, 3)), make_options(4, 8, ColumnOrder::kActivation));
    EXPECT_TRUE(!result.has_value() || std::isfinite(result->error.output)) << magnitude;
  }
}

}  // namespace
}  // namespace assay
