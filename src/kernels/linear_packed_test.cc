#include "kernels/linear_packed.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/huge_bytes.h"
#include "base/rng.h"
#include "kernels/kernel_table.h"
#include "kernels/kernels_testing.h"
#include "tensor/packed_matrix.h"

namespace assay {
namespace {

// A matrix with its repacked form.
struct Packed {
  TestWeights weights;
  PackedMatrix matrix;
  HugeBytes memory;

  Packed(TestWeights from, ThreadPool& pool)
      : weights(std::move(from)), matrix(PackedMatrix::lay_out(weights.view)) {
    auto allocated = HugeBytes::allocate(matrix.num_bytes());
    EXPECT_TRUE(allocated) << allocated.error().message;
    memory = std::move(*allocated);
    matrix.fill(weights.view, {memory.data(), matrix.num_bytes()}, pool);
  }
  WeightView view() const {
    WeightView view = weights.view;
    view.packed = &matrix;
    return view;
  }
};

bool is_packable(const TestFormat& format) {
  return PackedMatrix::is_packable(format.make(1, format.block_values() > 1 ? 256 : 384, 1).view);
}

// Every format that can be repacked, and groups with a zero point for all.
std::vector<TestFormat> packable_formats() {
  std::vector<TestFormat> formats = {{.dtype = DType::kQ4_0},
                                     {.dtype = DType::kQ4_1},
                                     {.dtype = DType::kQ5_0},
                                     {.dtype = DType::kQ5_1},
                                     {.dtype = DType::kQ8_0}};
  for (const int bits : {2, 3, 4, 8}) {
    for (const std::int64_t group_size : {32, 64, 96, 128, 1 << 20})
      formats.push_back({.bits = bits, .group_size = group_size});
  }
  return formats;
}

TestWeights with_one_zero(int bits, std::int64_t rows, std::int64_t cols, std::int64_t group_size, int zero) {
  TestWeights weights = group_weights(bits, rows, cols, group_size, 5);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t g = 0; g < weights.groups.num_groups(); ++g)
      weights.groups.zero(r, g) = static_cast<std::uint8_t>(zero);
  }
  weights.view = weights.groups.view();
  return weights;
}

class LinearPacked : public EveryTable {
 protected:
  std::vector<float> run(const Packed& packed, MatrixView<const float> x, std::span<const float> bias = {}) {
    return run(context(Activations::kRounded), packed, x, bias);
  }
  static std::vector<float> run(const KernelContext& context, const Packed& packed, MatrixView<const float> x,
                                std::span<const float> bias = {}) {
    std::vector<float> y(static_cast<std::size_t>(x.rows * packed.weights.view.rows));
    linear(context, packed.view(), x, bias, {y.data(), x.rows, packed.weights.view.rows});
    return y;
  }
};
INSTANTIATE_TEST_SUITE_P(Table, LinearPacked, testing::ValuesIn(tables_here()), table_name);

TEST(PackedMatrix, TakesJustWhatHasWholeUnits) {
  for (const auto& format : packable_formats()) EXPECT_TRUE(is_packable(format)) << format.name();
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ4_K, DType::kQ6_K})
    EXPECT_FALSE(is_packable({.dtype = dtype})) << info(dtype).name;
  EXPECT_FALSE(PackedMatrix::is_packable(group_weights(4, 3, 80, 32, 1).view)) << "a row ends within a unit";
  EXPECT_FALSE(PackedMatrix::is_packable(group_weights(4, 3, 96, 48, 1).view))
      << "a group ends within a unit";
}

TEST(PackedMatrix, StoresNoZeroPointThatAllShare) {
  ThreadPool pool(1);
  const Packed shared(with_one_zero(4, 5, 64, 32, 8), pool);
  EXPECT_EQ(shared.matrix.offsets(), PackedOffsets::kOneZero);
  EXPECT_EQ(shared.matrix.zero(), 8);
  const Packed own(group_weights(4, 5, 64, 32, 3), pool);
  EXPECT_EQ(own.matrix.offsets(), PackedOffsets::kZeros);
}

// Codes of any table's spread panel would be in its own order; the reference's are in the order of quads.
TEST(PackedMatrix, HoldsTheValuesOfTheMatrix) {
  ThreadPool pool(2);
  const KernelTable& table = *tables_here().front();
  for (const auto& format : packable_formats()) {
    const Packed packed(format.make(37, 192, 11), pool);
    const auto expected = reference_values(packed.weights.view);
    const PackedMatrix& m = packed.matrix;
    const PackedPanels panels = panels_of(m);
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(m.num_units() * kSpreadUnitBytes));
    std::vector<float> scales(static_cast<std::size_t>(m.num_units() * kPanelRows)), offsets(scales.size());
    for (std::int64_t row = 0; row < 37; ++row) {
      table.spread[packed_kind(m.bits(), static_cast<int>(m.offsets()))](
          panels, row / kPanelRows, 0, m.num_units(), {codes.data(), scales.data(), offsets.data()});
      for (std::int64_t c = 0; c < 192; ++c) {
        const auto at = static_cast<std::size_t>(c / 32 * kPanelRows + row % kPanelRows);
        const auto code = codes[static_cast<std::size_t>(c / 4 * 64 + row % kPanelRows * 4 + c % 4)];
        const double value = static_cast<double>(scales[at]) * code + static_cast<double>(offsets[at]);
        EXPECT_NEAR(value, expected[static_cast<std::size_t>(row * 192 + c)],
                    0x1.0p-22 * (256 * std::abs(scales[at]) + std::abs(offsets[at])))
            << format.name() << " row " << row << " column " << c;
      }
    }
  }
}

TEST(PackedMatrix, SharesAScaleOfTheInputBetweenTwoUnitsWhereGroupsHoldThemWhole) {
  ThreadPool pool(1);
  const auto units = [&](std::int64_t cols, std::int64_t group_size) {
    return units_per_scale(Packed(group_weights(4, 5, cols, group_size, 3), pool).matrix);
  };
  EXPECT_EQ(units(128, 64), 2);
  EXPECT_EQ(units(192, 1 << 20), 2);
  EXPECT_EQ(units(128, 32), 1);
  EXPECT_EQ(units(192, 96), 1) << "the second pair would lie in two groups";
  EXPECT_EQ(units(160, 64), 1) << "a unit would be left";
}

TEST_P(LinearPacked, RoundsUnitsAsTheReferenceDoes) {
  auto x = normal_values(4 * 64 + 1, 17);
  std::fill_n(x.begin() + 65, 64, 0.0f);
  x[150] = std::numeric_limits<float>::infinity();
  x[200] = std::numeric_limits<float>::quiet_NaN();
  const auto round = [&](const KernelTable& table, UnitRounding rounding) {
    std::vector<RoundedUnit> units(8);
    table.round_units(x.data() + 1, 8, rounding, units.data());
    std::vector<float> all;
    for (const RoundedUnit& unit : units) {
      all.insert(all.end(), std::begin(unit.q), std::end(unit.q));
      // NaN is one, whatever its bits.
      for (const float value : {unit.scale, unit.sum, unit.shift})
        all.push_back(std::isnan(value) ? 1e30f : value);
      all.push_back(std::bit_cast<float>(unit.start));
    }
    return all;
  };
  for (const UnitRounding rounding : {UnitRounding{1, 0}, {2, 0}, {1, 8}, {2, 128}})
    EXPECT_TRUE(same_bits(round(*GetParam(), rounding), round(*tables_here().front(), rounding)))
        << rounding.units_per_scale << " units, zero " << rounding.zero;
}

// What the reference itself must give: x within half a step, sums of what it gives, a scale of which
// kLargeSum times is exact.
TEST_P(LinearPacked, GivesUnitsWhoseFactorsFollowFromTheirIntegers) {
  const auto x = normal_values(6 * 32, 18);
  for (const int per_scale : {1, 2}) {
    std::vector<RoundedUnit> units(6);
    GetParam()->round_units(x.data(), 6, {per_scale, 7}, units.data());
    for (std::size_t u = 0; u < 6; ++u) {
      const std::size_t first = u / static_cast<std::size_t>(per_scale) * static_cast<std::size_t>(per_scale);
      int own = 0, all = 0;
      for (int i = 0; i < 32; ++i) {
        own += units[u].q[i];
        EXPECT_NEAR(x[32 * u + static_cast<std::size_t>(i)],
                    units[u].scale * static_cast<float>(units[u].q[i]), 0.5001f * units[u].scale);
      }
      for (std::size_t v = first; v < first + static_cast<std::size_t>(per_scale); ++v) {
        for (const std::int8_t q : units[v].q) all += q;
      }
      EXPECT_EQ(units[u].scale, units[first].scale);
      EXPECT_EQ(units[u].sum, units[u].scale * static_cast<float>(own));
      EXPECT_EQ(static_cast<double>(units[u].shift), -0x1.8p23 * static_cast<double>(units[u].scale));
      if (u == first) {
        EXPECT_EQ(units[u].start, std::bit_cast<std::int32_t>(0x1.8p23f) - 7 * all);
      }
    }
  }
}

TEST_P(LinearPacked, StaysWithinTheBoundForEveryFormatAndRemainder) {
  for (const auto& format : packable_formats()) {
    for (const auto& [rows, cols] :
         {std::pair<std::int64_t, std::int64_t>{1, 32}, {16, 64}, {33, 96}, {66, 576}, {19, 1120}}) {
      const Packed packed(format.make(rows, cols, 7), pool_);
      const auto bias = normal_values(rows, 8);
      for (const std::int64_t tokens : {1, 2, 13}) {
        const auto values = normal_values(tokens * cols + 1, 9);
        const MatrixView<const float> x{values.data() + 1, tokens, cols};  // no alignment
        auto expected = exact_product(packed.weights.view, x, bias);
        add_rounding_bound(packed.weights.view, x, expected, units_per_scale(packed.matrix) * kUnitCols);
        add_integer_sum_bound(packed.weights.view, x, expected);
        EXPECT_TRUE(within_bound(run(packed, x, bias), expected.y, expected.bound))
            << format.name() << " rows " << rows << " cols " << cols << " tokens " << tokens;
      }
    }
  }
}

// Integers up to 127 lose nothing by rounding, the largest codes and inputs would show an overflow, and only
// float sums are left.
TEST_P(LinearPacked, SumsTheLargestCodesAndInputsWithoutOverflow) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const auto& [sign, zero] :
         {std::pair{1.0f, 1 << (bits - 1)}, {-1.0f, 1 << (bits - 1)}, {1.0f, 0}, {-1.0f, 0}}) {
      TestWeights weights = with_one_zero(bits, 21, 256, 64, zero);
      const std::vector<std::uint8_t> largest(256, static_cast<std::uint8_t>((1 << bits) - 1));
      for (std::int64_t r = 0; r < 21; ++r) weights.groups.set_row(r, largest);
      const Packed packed(std::move(weights), pool_);
      for (const std::int64_t tokens : {1, 7}) {
        const std::vector<float> values(static_cast<std::size_t>(tokens * 256), sign * 127.0f);
        const MatrixView<const float> x{values.data(), tokens, 256};
        auto expected = exact_product(packed.weights.view, x, {});
        add_integer_sum_bound(packed.weights.view, x, expected);
        EXPECT_TRUE(within_bound(run(packed, x), expected.y, expected.bound))
            << bits << " bits, zero " << zero << ", tokens " << tokens;
      }
    }
  }
}

TEST_P(LinearPacked, LosesNothingByRoundingWhereTheInputIsIntegers) {
  for (const auto& format : packable_formats()) {
    const std::int64_t cols = 672;
    const Packed packed(format.make(18, cols, 91), pool_);
    for (const std::int64_t tokens : {1, 9}) {
      Rng rng(92);
      std::vector<float> values(static_cast<std::size_t>(tokens * cols));
      for (auto& value : values) value = static_cast<float>(static_cast<int>(rng.below(255)) - 127);
      for (std::size_t c = 0; c < values.size(); c += 32) values[c] = -127.0f;
      const MatrixView<const float> x{values.data(), tokens, cols};
      auto expected = exact_product(packed.weights.view, x, {});
      add_integer_sum_bound(packed.weights.view, x, expected);
      EXPECT_TRUE(within_bound(run(packed, x), expected.y, expected.bound))
          << format.name() << " tokens " << tokens;
    }
  }
}

TEST_P(LinearPacked, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const auto& format : packable_formats()) {
    const Packed packed(format.make(150, 768, 31), pool_);
    const auto values = normal_values(5 * 768, 32);
    for (const std::int64_t tokens : {1, 5}) {
      const MatrixView<const float> x{values.data(), tokens, 768};
      ThreadPool one(1), three(3);
      EXPECT_TRUE(same_bits(run({GetParam(), &three, Activations::kRounded}, packed, x),
                            run({GetParam(), &one, Activations::kRounded}, packed, x)))
          << format.name();
    }
  }
}

TEST_P(LinearPacked, GivesEachTokenTheSameBitsWhateverItsCompany) {
  const Packed packed(group_weights(4, 70, 640, 64, 41), pool_);
  const auto values = normal_values(29 * 640, 42);
  const auto all = run(packed, {values.data(), 29, 640});
  for (std::int64_t first = 0; first + 2 <= 29; first += 3) {
    const auto pair = run(packed, {values.data() + first * 640, 2, 640});
    EXPECT_TRUE(same_bits(pair, std::span(all).subspan(static_cast<std::size_t>(first * 70), 140)));
  }
}

// So many long rows that they are taken in several parts.
TEST_P(LinearPacked, GivesTheTokensOfLongRowsTheBitsThatTheyHaveAlone) {
  const Packed packed(group_weights(4, 35, 9600, 64, 43), pool_);
  const auto values = normal_values(133 * 9600, 44);
  const auto all = run(packed, {values.data(), 133, 9600});
  for (std::int64_t first = 0; first + 2 <= 133; first += 7) {
    const auto pair = run(packed, {values.data() + first * 9600, 2, 9600});
    EXPECT_TRUE(same_bits(pair, std::span(all).subspan(static_cast<std::size_t>(first * 35), 70))) << first;
  }
}

TEST_P(LinearPacked, GivesLayersOfOneInputTheBitsThatTheyHaveAlone) {
  const Packed a(group_weights(4, 35, 128, 64, 1), pool_), b(group_weights(2, 16, 128, 32, 2), pool_);
  const TestWeights plain = dense_weights(DType::kF32, 9, 128, 3);
  const auto bias = normal_values(35, 4);
  for (const std::int64_t tokens : {1, 4}) {
    const auto values = normal_values(tokens * 128, 5);
    const MatrixView<const float> x{values.data(), tokens, 128};
    std::vector<float> y(static_cast<std::size_t>(tokens * 60));
    float* const second = y.data() + tokens * 35;
    float* const third = second + tokens * 16;
    const LinearLayer layers[] = {{a.view(), bias, {y.data(), tokens, 35}},
                                  {b.view(), {}, {second, tokens, 16}},
                                  {plain.view, {}, {third, tokens, 9}}};
    const auto check = [&](std::span<const LinearLayer> some) {
      std::fill(y.begin(), y.end(), 0.0f);
      linear_layers(context(Activations::kRounded), some, x);
      const auto own_a = run(a, x, bias);
      const auto own_b = run(b, x);
      EXPECT_TRUE(same_bits({y.data(), own_a.size()}, own_a));
      EXPECT_TRUE(same_bits({second, own_b.size()}, own_b));
    };
    check(std::span(layers).first(2));
    check(layers);
    std::vector<float> own(static_cast<std::size_t>(tokens * 9));
    linear(context(Activations::kRounded), plain.view, x, {}, {own.data(), tokens, 9});
    EXPECT_TRUE(same_bits({third, own.size()}, own));
  }
}

TEST_P(LinearPacked, DoesNotRoundTheInputOfNoLayers) {
  KernelTable table = *GetParam();
  table.round_input = [](const float*, std::int64_t, const RoundedInput&) { ADD_FAILURE(); };
  const auto values = normal_values(64, 2);
  linear_layers({&table, &pool_, Activations::kRounded}, {}, {values.data(), 2, 32});
  linear_layers({&table, &pool_, Activations::kFloat}, {}, {values.data(), 2, 32});
}

TEST_P(LinearPacked, TakesTheInputAsItIsUnlessItMayBeRounded) {
  const Packed packed(group_weights(4, 20, 128, 64, 1), pool_);
  const auto values = normal_values(128, 2);
  const MatrixView<const float> x{values.data(), 1, 128};
  const auto expected = exact_product(packed.weights.view, x, {});
  EXPECT_TRUE(within_bound(run(context(Activations::kFloat), packed, x), expected.y, expected.bound));
}

TEST_P(LinearPacked, PassesNanAndInfinityOn) {
  for (const auto& format : packable_formats()) {
    const Packed packed(format.make(20, 256, 51), pool_);
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const std::int64_t tokens : {1, 3}) {
        auto values = normal_values(tokens * 256, 52);
        values[255] = bad;
        const auto y = run(packed, {values.data(), tokens, 256});
        for (std::size_t r = 0; r < 20; ++r)
          EXPECT_FALSE(std::isfinite(y[r])) << format.name() << " row " << r;
        for (std::size_t i = 20; i < y.size(); ++i) EXPECT_TRUE(std::isfinite(y[i])) << format.name();
      }
    }
  }
}

TEST_P(LinearPacked, WritesOnlyItsOwnMatrix) {
  const Packed packed(group_weights(3, 37, 64, 32, 61), pool_);
  const auto values = normal_values(15 * 64, 62);
  std::vector<float> y(16 * 50, 42.0f);
  linear(context(Activations::kRounded), packed.view(), {values.data(), 15, 64}, {},
         {y.data() + 1, 15, 37, 50});
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool inside = i >= 1 && (i - 1) / 50 < 15 && (i - 1) % 50 < 37;
    EXPECT_EQ(y[i] == 42.0f, !inside) << i;
  }
}

}  // namespace
}  // namespace assay
