#include "quant/llm/grid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"

namespace assay {
namespace {

std::vector<float> normals(std::size_t count, std::uint64_t seed, double deviation) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (auto& value : values) value = static_cast<float>(deviation * rng.normal());
  return values;
}

std::vector<std::uint8_t> codes_of(const std::vector<float>& values, QuantGrid grid, int bits) {
  std::vector<std::uint8_t> codes(values.size());
  quantize_values(values, grid, bits, codes);
  return codes;
}

double error_of(const std::vector<float>& values, const std::vector<float>& weights, QuantGrid grid, int bits, double norm) {
  const auto codes = codes_of(values, grid, bits);
  double sum = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double error = std::fabs(values[i] - dequantize(codes[i], to_float(grid.scale), grid.zero));
    sum += (weights.empty() ? 1.0 : weights[i]) * std::pow(error, norm);
  }
  return sum;
}

GridOptions make_options(int bits, bool sym, int min_zero = 0) {
  GridOptions options;
  options.bits = bits;
  options.sym = sym;
  options.min_zero = min_zero;
  return options;
}

TEST(FindGrid, SymmetricUsesTheLargestMagnitude) {
  const std::vector<float> values = {0.5f, -3.75f, 1.0f};
  const auto grid = find_grid(values, {}, make_options(4, true));
  EXPECT_EQ(to_float(grid.scale), 0.5f);
  EXPECT_EQ(grid.zero, 8);
}

TEST(FindGrid, AsymmetricSpansTheValuesAndZero) {
  const std::vector<float> values = {-1.0f, 2.75f};
  const auto grid = find_grid(values, {}, make_options(4, false));
  EXPECT_EQ(to_float(grid.scale), 0.25f);
  EXPECT_EQ(grid.zero, 4);
  const std::vector<float> positive = {3.75f, 3.0f};
  EXPECT_EQ(find_grid(positive, {}, make_options(4, false)).zero, 0);
  const std::vector<float> negative = {-3.75f, -3.0f};
  EXPECT_EQ(find_grid(negative, {}, make_options(4, false)).zero, 15);
}

TEST(FindGrid, EveryValueIsWithinHalfAStepPlusRoundingOfTheScale) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const int min_zero : {0, 1}) {
      for (std::uint64_t seed = 0; seed < 50; ++seed) {
        auto values = normals(64, seed, 0.03);
        if (seed % 3 == 1) for (auto& value : values) value = std::fabs(value);
        if (seed % 3 == 2) for (auto& value : values) value = -std::fabs(value);
        const auto grid = find_grid(values, {}, make_options(bits, false, min_zero));
        EXPECT_GE(grid.zero, min_zero);
        const auto codes = codes_of(values, grid, bits);
        const double scale = to_float(grid.scale);
        // Rounding the zero costs up to half a step at the ends, rounding the scale 2^-11 of the range.
        const double bound = scale * (1.0 + std::ldexp((1 << bits) - 1, -11));
        for (std::size_t i = 0; i < values.size(); ++i) {
          ASSERT_LE(std::fabs(values[i] - dequantize(codes[i], to_float(grid.scale), grid.zero)), bound)
              << bits << " bits, seed " << seed;
        }
      }
    }
  }
}

TEST(FindGrid, AGroupOfZerosGetsScaleOneAndItsZeroAsCode) {
  const std::vector<float> values(5, 0.0f);
  for (const bool sym : {true, false}) {
    for (const int min_zero : {0, 1}) {
      for (const auto search : {ScaleSearch::kMinMax, ScaleSearch::kMse, ScaleSearch::kWeighted}) {
        auto options = make_options(4, sym, min_zero);
        options.search = search;
        const auto grid = find_grid(values, std::vector<float>(5, 1.0f), options);
        EXPECT_EQ(to_float(grid.scale), 1.0f);
        EXPECT_EQ(grid.zero, sym ? 8 : min_zero);
        EXPECT_EQ(codes_of(values, grid, 4), std::vector<std::uint8_t>(5, grid.zero));
      }
    }
  }
}

TEST(FindGrid, KeepsTheScalePositiveAndFiniteAtTheEndsOfFloat) {
  for (const float magnitude : {1e-45f, 1e-30f, 1e-9f, 1e6f, 3e38f}) {
    for (const bool sym : {true, false}) {
      for (const auto search : {ScaleSearch::kMinMax, ScaleSearch::kMse}) {
        auto options = make_options(4, sym);
        options.search = search;
        const std::vector<float> values = {magnitude, -magnitude, 0.5f * magnitude};
        const auto grid = find_grid(values, {}, options);
        EXPECT_GT(to_float(grid.scale), 0.0f);
        EXPECT_TRUE(std::isfinite(to_float(grid.scale)));
        for (const auto code : codes_of(values, grid, 4)) EXPECT_LE(code, 15);
      }
    }
  }
}

TEST(FindGrid, TheSearchesAreNeverWorseThanMinMaxInTheirOwnError) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool sym : {true, false}) {
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto values = normals(45, seed, 0.02);
        auto weights = normals(45, seed + 1000, 1.0);
        for (auto& weight : weights) weight = weight * weight;
        auto options = make_options(bits, sym);
        const auto plain = find_grid(values, {}, options);
        // The two errors compared were sums in float32 of 45 terms, each within 2^-15 (kMse's power) or a few roundings.
        const double slack = 1.0 + 2 * (std::ldexp(1.0, -15) + 50 * std::ldexp(1.0, -24));
        options.search = ScaleSearch::kMse;
        const auto mse = find_grid(values, {}, options);
        EXPECT_LE(error_of(values, {}, mse, bits, 2.4), slack * error_of(values, {}, plain, bits, 2.4))
            << bits << " bits, seed " << seed;
        options.search = ScaleSearch::kWeighted;
        const auto weighted = find_grid(values, weights, options);
        EXPECT_LE(error_of(values, weights, weighted, bits, 2), slack * error_of(values, weights, plain, bits, 2))
            << bits << " bits, seed " << seed;
      }
    }
  }
}

TEST(FindGrid, TheMseSearchFindsTheBestOfItsCandidates) {
  for (const double norm : {0.5, 1.0, 2.4, 4.0}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const auto values = normals(33, seed, 0.02);
      auto options = make_options(3, true);
      options.norm = norm;
      options.search = ScaleSearch::kMse;
      const double found = error_of(values, {}, find_grid(values, {}, options), 3, norm);
      float largest = 0.0f;
      for (const float value : values) largest = std::max(largest, std::fabs(value));
      for (int i = 0; i < 80; ++i) {
        const float shrunken = largest * (1.0f - static_cast<float>(i) / 100.0f);
        const QuantGrid candidate{to_float16(2.0f * shrunken / 7.0f), 4};
        // As above; each term's error is the power's.
        EXPECT_LE(found, (1.0 + 2 * (std::ldexp(1.0, -15) + 40 * std::ldexp(1.0, -24))) * error_of(values, {}, candidate, 3, norm))
            << "norm " << norm << ", seed " << seed << ", candidate " << i;
      }
    }
  }
}

TEST(FindGrid, TheJointSearchIsAsGoodAsEveryScaleAndZeroItTries) {
  for (const int min_zero : {0, 1}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      auto values = normals(33, seed, 0.02);
      for (auto& value : values) value += 0.01f;  // so that zeros other than the middle are worth it
      auto weights = normals(33, seed + 1000, 1.0);
      for (auto& weight : weights) weight = weight * weight;
      auto options = make_options(2, false, min_zero);
      const auto plain = find_grid(values, {}, options);
      options.search = ScaleSearch::kJoint;
      const auto joint = find_grid(values, weights, options);
      EXPECT_GE(joint.zero, min_zero);
      const double found = error_of(values, weights, joint, 2, 2);
      for (int zero = min_zero; zero < 4; ++zero) {
        for (int i = 0; i < 24; ++i) {
          const float scale = to_float(plain.scale) * (1.2f + (0.3f - 1.2f) * static_cast<float>(i) / 23);
          const QuantGrid candidate{to_float16(scale), static_cast<std::uint8_t>(zero)};
          EXPECT_LE(found, (1.0 + 100 * std::ldexp(1.0, -24)) * error_of(values, weights, candidate, 2, 2)) << zero << ", " << i << ", seed " << seed;
        }
      }
    }
  }
}

TEST(FindGrid, WeightsOfZeroCountAsEqualOnes) {
  const auto values = normals(40, 3, 1.0);
  auto options = make_options(2, false);
  options.search = ScaleSearch::kWeighted;
  const auto none = find_grid(values, std::vector<float>(40, 0.0f), options);
  const auto equal = find_grid(values, std::vector<float>(40, 1.0f), options);
  EXPECT_EQ(none.scale.bits, equal.scale.bits);
  EXPECT_EQ(none.zero, equal.zero);
}

TEST(QuantizeValues, RoundsHalvesToEvenAndClamps) {
  const QuantGrid grid{to_float16(1.0f), 2};
  const std::vector<float> values = {-9.0f, -2.5f, -0.5f, 0.5f, 1.5f, 2.5f, 12.4f, 99.0f, std::numeric_limits<float>::infinity()};
  EXPECT_EQ(codes_of(values, grid, 4), (std::vector<std::uint8_t>{0, 0, 2, 2, 4, 4, 14, 15, 15}));
  EXPECT_EQ(codes_of({std::numeric_limits<float>::quiet_NaN()}, grid, 4), std::vector<std::uint8_t>{0});
}

}  // namespace
}  // namespace assay
