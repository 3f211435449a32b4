#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/rng.h"
#include "kernels/kernel_table.h"
#include "kernels/kernels_testing.h"

namespace assay {
namespace {

class Linear : public EveryTable {};
INSTANTIATE_TEST_SUITE_P(Table, Linear, testing::ValuesIn(tables_here()), table_name);

std::vector<float> run(const KernelContext& context, const WeightView& weight, MatrixView<const float> x,
                       std::span<const float> bias = {}) {
  std::vector<float> y(static_cast<std::size_t>(x.rows * weight.rows));
  linear(context, weight, x, bias, {y.data(), x.rows, weight.rows});
  return y;
}

TEST(WithinBound, RejectsNanZeroSignFlipAndOneStepBeyond) {
  const std::vector<double> expected = {1.0};
  const std::vector<double> bound = {0x1.0p-24};
  const auto accepts = [&](float actual) {
    return static_cast<bool>(within_bound(std::vector<float>{actual}, expected, bound));
  };
  EXPECT_TRUE(accepts(1.0f));
  EXPECT_TRUE(accepts(std::nextafter(1.0f, 0.0f)));
  EXPECT_FALSE(accepts(std::nextafter(1.0f, 2.0f)));
  EXPECT_FALSE(accepts(0.0f));
  EXPECT_FALSE(accepts(-1.0f));
  EXPECT_FALSE(accepts(std::numeric_limits<float>::quiet_NaN()));
  EXPECT_FALSE(accepts(std::numeric_limits<float>::infinity()));
  EXPECT_FALSE(static_cast<bool>(within_bound(std::vector<float>{}, expected, bound)));
}

TEST_P(Linear, StaysWithinTheBoundForEveryFormatAndRemainder) {
  for (const auto& format : all_formats()) {
    const std::int64_t values_per_block = format.block_values();
    for (const auto& [rows, blocks] :
         {std::pair<std::int64_t, std::int64_t>{1, 3}, {33, 2}, {66, 1}, {5, 65}, {3, 577}}) {
      if (values_per_block > 1 && blocks > 3) continue;
      const std::int64_t cols = blocks * values_per_block;
      const auto weights = format.make(rows, cols, 7);
      const auto bias = normal_values(rows, 8);
      for (const std::int64_t tokens : {1, 2, 13}) {
        const auto values = normal_values(tokens * cols + 1, 9);
        const MatrixView<const float> x{values.data() + 1, tokens, cols};  // no alignment
        const auto expected = exact_product(weights.view, x, bias);
        EXPECT_TRUE(within_bound(run(context(), weights.view, x, bias), expected.y, expected.bound))
            << format.name() << " rows " << rows << " cols " << cols << " tokens " << tokens;
      }
    }
  }
}

TEST_P(Linear, StaysWithinTheBoundForEveryNumberOfTokens) {
  for (std::int64_t tokens = 1; tokens <= 33; ++tokens) {
    for (const std::int64_t rows : {31, 32, 48, 65}) {
      const auto weights = dense_weights(DType::kF32, rows, 70, 3);
      const auto values = normal_values(tokens * 70, 4);
      const MatrixView<const float> x{values.data(), tokens, 70};
      const auto expected = exact_product(weights.view, x, {});
      EXPECT_TRUE(within_bound(run(context(), weights.view, x), expected.y, expected.bound))
          << "tokens " << tokens << " rows " << rows;
    }
  }
}

TEST_P(Linear, StaysWithinTheBoundOverManyBlocksOfColumns) {
  for (const DType dtype : {DType::kF32, DType::kQ8_0, DType::kQ6_K}) {
    const auto weights = dense_weights(dtype, 40, 1792, 3);
    for (const std::int64_t tokens : {1, 14}) {
      const auto values = normal_values(tokens * 1792, 4);
      const MatrixView<const float> x{values.data(), tokens, 1792};
      const auto expected = exact_product(weights.view, x, {});
      EXPECT_TRUE(within_bound(run(context(), weights.view, x), expected.y, expected.bound));
    }
  }
}

TEST_P(Linear, IsExactOnSmallIntegers) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const std::int64_t group_size : {16, 32, 64, 128}) {
      auto weights = group_weights(bits, 35, 200, group_size, 21);
      for (std::int64_t r = 0; r < 35; ++r) {
        for (std::int64_t g = 0; g < weights.groups.num_groups(); ++g)
          weights.groups.scale(r, g) = to_float16(0.25f);
      }
      for (const std::int64_t tokens : {1, 3}) {
        Rng rng(22);
        std::vector<float> values(static_cast<std::size_t>(tokens * 200));
        for (auto& value : values) value = static_cast<float>(static_cast<int>(rng.below(9)) - 4);
        const MatrixView<const float> x{values.data(), tokens, 200};
        const auto expected = exact_product(weights.view, x, {});
        const auto actual = run(context(), weights.view, x);
        EXPECT_TRUE(within_bound(actual, expected.y, std::vector<double>(actual.size(), 0.0)))
            << bits << " bits, groups of " << group_size << ", tokens " << tokens;
      }
    }
  }
}

// docs/numerics.md#int8: rounding x moves it by half a step of its group of 32 columns. Weights are taken
// apart into codes and zero points, of which the products are summed separately.
TEST_P(Linear, StaysWithinTheBoundOfRoundedInput) {
  for (const auto& format : all_formats()) {
    for (const std::int64_t blocks : {1, 2, 3, 20, 65, 577, 1056}) {
      if (format.block_values() > 32 && blocks > 5) continue;
      const std::int64_t cols = blocks * format.block_values();
      const auto weights = format.make(19, cols, 81);
      const auto values = normal_values(cols, 82);
      const MatrixView<const float> x{values.data(), 1, cols};
      auto expected = exact_product(weights.view, x, {});
      add_rounding_bound(weights.view, x, expected);
      add_integer_sum_bound(weights.view, x, expected);
      EXPECT_TRUE(
          within_bound(run(context(Activations::kRounded), weights.view, x), expected.y, expected.bound))
          << format.name() << " cols " << cols;
    }
  }
}

// Where each 32 values are integers up to 127, rounding loses nothing, and only the float sums are left.
TEST_P(Linear, LosesNothingByRoundingWhereTheInputIsIntegers) {
  for (const auto& format : all_formats()) {
    for (const std::int64_t blocks : {1, 2, 5, 18, 31, 70, 577, 1056}) {
      if (format.block_values() > 32 && blocks > 5) continue;
      const std::int64_t cols = blocks * format.block_values();
      const auto weights = format.make(9, cols, 91);
      Rng rng(92);
      std::vector<float> values(static_cast<std::size_t>(cols));
      for (auto& value : values) value = static_cast<float>(static_cast<int>(rng.below(255)) - 127);
      for (std::size_t c = 0; c < values.size(); c += 32) values[c] = -127.0f;
      const MatrixView<const float> x{values.data(), 1, cols};
      auto expected = exact_product(weights.view, x, {});
      add_integer_sum_bound(weights.view, x, expected);
      EXPECT_TRUE(
          within_bound(run(context(Activations::kRounded), weights.view, x), expected.y, expected.bound))
          << format.name() << " cols " << cols;
    }
  }
}

// docs/numerics.md#bfloat16.
TEST_P(Linear, StaysWithinTheBoundOfInputRoundedToBfloat16) {
  for (const auto& [rows, cols] :
       {std::pair<std::int64_t, std::int64_t>{33, 70}, {5, 2}, {65, 1540}, {3, 4000}, {7, 33}}) {
    const auto weights = dense_weights(DType::kBF16, rows, cols, 101);
    const auto bias = normal_values(rows, 102);
    for (const std::int64_t tokens : {2, 13, 29}) {
      const auto values = normal_values(tokens * cols, 103);
      const MatrixView<const float> x{values.data(), tokens, cols};
      auto expected = exact_product(weights.view, x, bias);
      // The float bound is (cols + 4) 2^-24 of the magnitude; the magnitude holds |bias| too, which only
      // widens by 2^-8 |bias|.
      for (double& bound : expected.bound) bound *= 1 + 0x1.0p-8 + 0x1.0p16 / static_cast<double>(cols + 4);
      EXPECT_TRUE(within_bound(run(context(Activations::kRounded), weights.view, x, bias), expected.y,
                               expected.bound))
          << rows << " x " << cols << ", tokens " << tokens;
    }
  }
}

TEST_P(Linear, RoundsToBfloat16JustWhereTheTableSaysSo) {
  const auto weights = dense_weights(DType::kBF16, 35, 64, 104);
  const auto values = normal_values(3 * 64, 105);
  const MatrixView<const float> x{values.data(), 3, 64};
  const bool same = static_cast<bool>(
      same_bits(run(context(Activations::kRounded), weights.view, x), run(context(), weights.view, x)));
  EXPECT_EQ(same, GetParam()->multiply_brain_tile == nullptr);
}

TEST_P(Linear, LosesNothingByRoundingWhereTheInputIsBfloat16) {
  for (const std::int64_t cols : {2, 64, 1540}) {
    const auto weights = dense_weights(DType::kBF16, 35, cols, 111);
    auto values = normal_values(15 * cols, 112);
    for (float& value : values) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &value, sizeof(bits));
      bits &= 0xffff0000u;
      std::memcpy(&value, &bits, sizeof(bits));
    }
    const MatrixView<const float> x{values.data(), 15, cols};
    const auto expected = exact_product(weights.view, x, {});
    EXPECT_TRUE(
        within_bound(run(context(Activations::kRounded), weights.view, x), expected.y, expected.bound))
        << cols;
  }
}

TEST_P(Linear, RoundsTheInputAsTheReferenceDoes) {
  const auto x = normal_values(256, 95);
  const auto round = [&](const KernelTable& table) {
    std::vector<std::int8_t> q(256);
    std::vector<float> all(8);
    std::vector<std::int32_t> sums(8), half_sums(16);
    table.round_input(x.data(), 256, {q.data(), all.data(), sums.data(), half_sums.data()});
    all.insert(all.end(), q.begin(), q.end());
    all.insert(all.end(), sums.begin(), sums.end());
    all.insert(all.end(), half_sums.begin(), half_sums.end());
    return all;
  };
  EXPECT_TRUE(same_bits(round(*GetParam()), round(*tables_here().front())));
}

TEST_P(Linear, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const auto& format : all_formats()) {
    const std::int64_t cols = format.block_values() > 1 ? 768 : 700;
    const auto weights = format.make(150, cols, 31);
    const auto values = normal_values(5 * cols, 32);
    for (const std::int64_t tokens : {1, 5}) {
      const MatrixView<const float> x{values.data(), tokens, cols};
      for (const Activations activations : {Activations::kFloat, Activations::kRounded}) {
        ThreadPool one(1), two(2), three(3);
        const auto expected = run({GetParam(), &one, activations}, weights.view, x);
        EXPECT_TRUE(same_bits(run({GetParam(), &two, activations}, weights.view, x), expected))
            << format.name();
        EXPECT_TRUE(same_bits(run({GetParam(), &three, activations}, weights.view, x), expected))
            << format.name();
      }
    }
  }
}

TEST_P(Linear, GivesEachTokenTheSameBitsWhateverItsCompany) {
  const auto weights = group_weights(4, 70, 640, 64, 41);
  const auto values = normal_values(29 * 640, 42);
  const auto all = run(context(), weights.view, {values.data(), 29, 640});
  for (std::int64_t first = 0; first + 2 <= 29; first += 3) {
    const auto pair = run(context(), weights.view, {values.data() + first * 640, 2, 640});
    EXPECT_TRUE(same_bits(pair, std::span(all).subspan(static_cast<std::size_t>(first * 70), 140)));
  }
}

TEST_P(Linear, PassesNanAndInfinityOn) {
  for (const auto& format : all_formats()) {
    const std::int64_t cols = format.block_values() > 1 ? 256 : 70;
    const auto weights = format.make(20, cols, 51);
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const std::int64_t tokens : {1, 3}) {
        for (const Activations activations : {Activations::kFloat, Activations::kRounded}) {
          auto values = normal_values(tokens * cols, 52);
          values[static_cast<std::size_t>(cols - 1)] = bad;
          const auto y = run(context(activations), weights.view, {values.data(), tokens, cols});
          for (std::size_t r = 0; r < 20; ++r)
            EXPECT_FALSE(std::isfinite(y[r])) << format.name() << " row " << r;
          for (std::size_t i = 20; i < y.size(); ++i) EXPECT_TRUE(std::isfinite(y[i])) << format.name();
        }
      }
    }
  }
}

TEST_P(Linear, WritesOnlyItsOwnMatrix) {
  const auto weights = dense_weights(DType::kF32, 37, 20, 61);
  const auto values = normal_values(15 * 20, 62);
  std::vector<float> y(16 * 50, 42.0f);
  linear(context(), weights.view, {values.data(), 15, 20}, {}, {y.data() + 1, 15, 37, 50});
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool inside = i >= 1 && (i - 1) / 50 < 15 && (i - 1) % 50 < 37;
    EXPECT_EQ(y[i] == 42.0f, !inside) << i;
  }
}

TEST_P(Linear, TakesEmptyMatrices) {
  const auto weights = dense_weights(DType::kF32, 4, 8, 71);
  EXPECT_TRUE(run(context(), weights.view, {nullptr, 0, 8}).empty());
  const auto bias = normal_values(4, 72);
  const auto no_columns = dense_weights(DType::kF32, 4, 0, 73);
  for (const std::int64_t tokens : {1, 2}) {
    const auto y = run(context(), no_columns.view, {nullptr, tokens, 0}, bias);
    EXPECT_TRUE(same_bits(std::span(y).first(4), bias));
  }
}

}  // namespace
}  // namespace assay
