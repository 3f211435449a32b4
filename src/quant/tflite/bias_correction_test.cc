#include "quant/tflite/bias_correction.h"

#include "base/rng.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

constexpr std::uint64_t kSeed = 5;

struct Case {
  std::vector<std::int32_t> shape;
  std::vector<float> weights, means;
  int dimension;
};

Case random_case(std::vector<std::int32_t> shape, int dimension, std::size_t inputs) {
  Rng rng(kSeed);
  std::size_t count = 1;
  for (const std::int32_t d : shape) count *= static_cast<std::size_t>(d);
  Case made{std::move(shape), std::vector<float>(count), std::vector<float>(inputs), dimension};
  for (float& value : made.weights) value = static_cast<float>(rng.normal());
  for (float& value : made.means) value = 1 + static_cast<float>(rng.normal());
  return made;
}

std::vector<double> shift_of(Op op, const Case& c) {
  return mean_shift(op, c.weights, c.shape, quantize_weights(c.weights, c.shape, c.dimension), c.means);
}

// Weight [o, y, x, i] of a convolution, or [0, y, x, o] of one by depth: sum of error times mean.
TEST(MeanShift, IsTheErrorOfTheWeightsTimesTheMeanOfWhatTheyMultiply) {
  const Case c = random_case({3, 2, 2, 4}, 0, 4);
  const auto rounded = quantize_weights(c.weights, c.shape, 0);
  const auto shift = shift_of(Op::kConv2d, c);
  ASSERT_EQ(shift.size(), 3u);
  for (std::size_t o = 0; o < 3; ++o) {
    double expected = 0;
    for (std::size_t k = 0; k < 16; ++k) {
      const double kept = static_cast<double>(rounded.scale[o]) * rounded.values[o * 16 + k];
      expected += (static_cast<double>(c.weights[o * 16 + k]) - kept) * static_cast<double>(c.means[k % 4]);
    }
    EXPECT_NEAR(shift[o], expected, 1e-9);
    EXPECT_NE(shift[o], 0);
  }
}

TEST(MeanShift, OfADepthwiseConvolutionGoesByItsOwnChannelAndMultiplier) {
  const Case c = random_case({1, 3, 3, 6}, 3, 3);
  const auto rounded = quantize_weights(c.weights, c.shape, 3);
  const auto shift = shift_of(Op::kDepthwiseConv2d, c);
  ASSERT_EQ(shift.size(), 6u);
  double expected = 0;
  for (std::size_t k = 0; k < 9; ++k) {
    const double kept = static_cast<double>(rounded.scale[5]) * rounded.values[k * 6 + 5];
    expected += (static_cast<double>(c.weights[k * 6 + 5]) - kept) * static_cast<double>(c.means[2]);
  }
  EXPECT_NEAR(shift[5], expected, 1e-9);
}

TEST(MeanShift, KnowsTheChannelsOfAFlattenedPicture) {
  EXPECT_EQ(shift_of(Op::kFullyConnected, random_case({5, 12}, 0, 4)).size(), 5u);
}

TEST(MeanShift, IsNotToldWhereChannelsDoNotFit) {
  EXPECT_TRUE(shift_of(Op::kConv2d, random_case({4, 1, 1, 2}, 0, 4)).empty()) << "groups";
  EXPECT_TRUE(shift_of(Op::kFullyConnected, random_case({5, 12}, 0, 5)).empty());
  EXPECT_TRUE(shift_of(Op::kDepthwiseConv2d, random_case({1, 3, 3, 6}, 3, 4)).empty());
  EXPECT_TRUE(shift_of(Op::kTransposeConv, random_case({4, 2, 2, 4}, 0, 4)).empty());
  EXPECT_TRUE(shift_of(Op::kConv2d, random_case({4, 1, 1, 2}, 0, 0)).empty()) << "no means";
}

}  // namespace
}  // namespace assay::tflite
