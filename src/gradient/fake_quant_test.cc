#include "gradient/fake_quant.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "gradient/adam.h"
#include "gradient/gradient_testing.h"
#include "kernels/kernels.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::int64_t kRows = 6, kCols = 50, kGroup = 16;  // the last group is short

class FakeQuantTest : public testing::TestWithParam<int> {
 protected:
  FakeQuantTest()
      : start_(GetParam(), kRows, kCols, kGroup), weight_(normal_matrix(kRows, kCols, kGradientSeed)) {
    Rng rng(kGradientSeed);
    const auto levels = static_cast<std::uint64_t>(1) << GetParam();
    std::vector<std::uint8_t> codes(kCols);
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (auto& code : codes) code = static_cast<std::uint8_t>(rng.below(levels));
      start_.set_row(r, codes);
      for (std::int64_t g = 0; g < start_.num_groups(); ++g) {
        start_.scale(r, g) = to_float16(static_cast<float>(0.1 + rng.uniform()));
        start_.zero(r, g) = static_cast<std::uint8_t>(rng.below(levels));
      }
    }
    for (std::int32_t c = 0; c < kCols; ++c) order_.push_back((c * 7 + 3) % static_cast<std::int32_t>(kCols));
  }

  Matrix<float> simulated(const FakeQuant& quant, const QuantParameters& parameters) {
    Matrix<float> w(kRows, kCols);
    for (std::int64_t r = 0; r < kRows; ++r)
      quant.simulate(parameters, r, {w.row(r), static_cast<std::size_t>(kCols)});
    return w;
  }

  void expect_equals(const Matrix<float>& w, const GroupQuantMatrix& matrix) {
    std::vector<float> row(kCols);
    for (std::int64_t r = 0; r < kRows; ++r) {
      dequantize_row(*runnable_kernels({})[0], matrix.view(), r, row);
      for (std::size_t c = 0; c < kCols; ++c)
        ASSERT_EQ(w.at(r, order_[c]), row[c]) << r << ", " << c << ", seed " << kGradientSeed;
    }
  }

  void expect_codes_of_start(const GroupQuantMatrix& matrix) {
    std::vector<std::uint8_t> codes(kCols), expected(kCols);
    for (std::int64_t r = 0; r < kRows; ++r) {
      matrix.get_row(r, codes);
      start_.get_row(r, expected);
      EXPECT_EQ(codes, expected) << "row " << r << ", seed " << kGradientSeed;
    }
  }

  // Away from where training starts, everything at once.
  void disturb(QuantParameters& parameters) {
    Rng rng(kGradientSeed + 5);
    for (auto* m : {&parameters.latent, &parameters.scales, &parameters.zeros}) {
      for (std::int64_t i = 0; i < m->rows() * m->cols(); ++i)
        m->data()[i] += static_cast<float>(0.3 * rng.normal());
    }
  }

  GroupQuantMatrix start_;
  Matrix<float> weight_;
  std::vector<std::int32_t> order_;
};

TEST_P(FakeQuantTest, StartsAsTheMatrixItIsGiven) {
  for (const LatentStart latent_start : {LatentStart::kWeights, LatentStart::kCodes}) {
    QuantParameters parameters;
    const FakeQuant quant = FakeQuant::create(start_, order_, weight_.view(), latent_start, parameters);
    expect_equals(simulated(quant, parameters), start_);
    const GroupQuantMatrix out = quant.export_matrix(parameters);
    expect_codes_of_start(out);
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t g = 0; g < start_.num_groups(); ++g) {
        EXPECT_EQ(out.scale(r, g).bits, start_.scale(r, g).bits);
        EXPECT_EQ(out.zero(r, g), start_.zero(r, g));
      }
    }
  }
}

TEST_P(FakeQuantTest, KeepsCodesWhateverScalesBecome) {
  for (const LatentStart latent_start : {LatentStart::kWeights, LatentStart::kCodes}) {
    QuantParameters parameters;
    const FakeQuant quant = FakeQuant::create(start_, order_, weight_.view(), latent_start, parameters);
    Rng rng(kGradientSeed + 6);
    for (std::int64_t i = 0; i < parameters.scales.rows() * parameters.scales.cols(); ++i)
      parameters.scales.data()[i] = static_cast<float>(0.5 + rng.uniform());
    const GroupQuantMatrix out = quant.export_matrix(parameters);
    expect_codes_of_start(out);
    expect_equals(simulated(quant, parameters), out);
  }
}

// In the middle of its cell, any step shorter than half a code leaves the code as it is.
TEST_P(FakeQuantTest, StartsInTheMiddleOfCellsWhereCodesAreToBeKept) {
  QuantParameters parameters;
  FakeQuant::create(start_, order_, weight_.view(), LatentStart::kCodes, parameters);
  for (std::int64_t i = 0; i < kRows * kCols; ++i)
    EXPECT_EQ(parameters.latent.data()[i], std::nearbyint(parameters.latent.data()[i]));
}

TEST_P(FakeQuantTest, ExportsExactlyWhatItSimulates) {
  QuantParameters parameters;
  const FakeQuant quant =
      FakeQuant::create(start_, order_, weight_.view(), LatentStart::kWeights, parameters);
  disturb(parameters);
  expect_equals(simulated(quant, parameters), quant.export_matrix(parameters));
}

// The same function with rounding's slope of 1 made explicit: where u rounds to n, its straight-through
// surrogate is u + (n - u0) with u0 held, which central differences can be taken of.
TEST_P(FakeQuantTest, GradientsEqualCentralDifferencesOfTheStraightThroughSurrogate) {
  QuantParameters parameters;
  const FakeQuant quant =
      FakeQuant::create(start_, order_, weight_.view(), LatentStart::kWeights, parameters);
  disturb(parameters);
  const Matrix<float> dw = normal_matrix(kRows, kCols, kGradientSeed + 2);
  const double largest = (1 << GetParam()) - 1;
  QuantRowGradient gradient;
  for (std::int64_t r = 0; r < kRows; ++r) {
    quant.gradient(parameters, r, {dw.row(r), static_cast<std::size_t>(kCols)}, gradient);
    for (std::int64_t g = 0; g < start_.num_groups(); ++g) {
      const double start_scale = to_float(start_.scale(r, g));
      double scale = start_scale * parameters.scales.at(r, g),
             zero = std::clamp<double>(std::nearbyint(parameters.zeros.at(r, g)), 0, largest);
      scale = to_float(to_float16(static_cast<float>(scale)));
      const double zero_held = zero;
      const std::int64_t begin = g * kGroup, end = std::min(begin + kGroup, kCols);
      std::vector<double> latent(parameters.latent.row(r) + begin, parameters.latent.row(r) + end),
          held = latent;
      const auto loss = [&] {
        double sum = 0;
        for (std::size_t c = 0; c < latent.size(); ++c) {
          const double shift = std::nearbyint(held[c]) - held[c];
          const double code = std::nearbyint(held[c]) + zero_held;
          const double steps = latent[c] + shift;
          const double value = code < 0 ? -zero : code > largest ? largest - zero : steps;
          sum += dw.at(r, order_[static_cast<std::size_t>(begin) + c]) * scale * value;
        }
        return sum;
      };
      const double size = 64 * 0x1p-24 * (1 + largest) * kGroup;
      EXPECT_NEAR(gradient.scales[static_cast<std::size_t>(g)], start_scale * central_difference(scale, loss),
                  size)
          << "seed " << kGradientSeed;
      EXPECT_NEAR(gradient.zeros[static_cast<std::size_t>(g)], central_difference(zero, loss), size)
          << "seed " << kGradientSeed;
      for (std::size_t c = 0; c < latent.size(); ++c)
        EXPECT_NEAR(gradient.latent[static_cast<std::size_t>(begin) + c], central_difference(latent[c], loss),
                    size)
            << "seed " << kGradientSeed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Bits, FakeQuantTest, testing::Values(2, 3, 4, 8));

TEST(AdamStep, WalksToTheMinimumOfAParabola) {
  std::vector<float> x{3.0f, -200.0f};
  AdamState state;
  state.reach(2);
  for (int step = 1; step <= 2000; ++step) {
    const std::vector<float> gradient{x[0] - 1, 1000 * (x[1] + 199)};
    AdamStep(step, 0.02f * (1 - static_cast<float>(step - 1) / 2000))
        .move(x, gradient, state.mean, state.square);
  }
  EXPECT_NEAR(x[0], 1, 1e-3);
  EXPECT_NEAR(x[1], -199, 1e-3);
}

TEST(AdamStep, TakesTheFirstStepAtFullRateWhateverTheGradientsSize) {
  for (const float size : {1e-6f, 1e6f}) {
    std::vector<float> x{0.0f}, mean{0.0f}, square{0.0f};
    AdamStep(1, 0.5f).move(x, std::vector<float>{size}, mean, square);
    EXPECT_NEAR(x[0], -0.5f, 1e-3f);
  }
}

}  // namespace
}  // namespace assay
