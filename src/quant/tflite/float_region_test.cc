#include "quant/tflite/float_region.h"

#include "formats/tflite/model_testing.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

using testing::ElementsAre;

// x -> CONV_2D a -> RELU r -> CONV_2D b -> TANH y, which is the output.
Model chain() {
  ModelBuilder b;
  const int x = b.input("x", {1, 2, 2, 1});
  const auto conv = [&](int input, const char* name) {
    const int out = b.tensor(name, {1, 2, 2, 1});
    b.add(Op::kConv2d, {input, b.weights("w", {1, 1, 1, 1}, {1}), b.weights("bias", {1}, {0})}, {out},
          "Conv2DOptions");
    return out;
  };
  const int a = conv(x, "a");
  const int r = b.tensor("r", {1, 2, 2, 1});
  b.add(Op::kRelu, {a}, {r});
  const int c = conv(r, "b");
  const int y = b.tensor("y", {1, 2, 2, 1});
  b.add(Op::kTanh, {c}, {y});
  b.output(y);
  return b.model();
}

TEST(FloatRegion, GoesBackToTheMultiplicationBefore) {
  EXPECT_THAT(float_region(chain(), {false, false, true, false}), ElementsAre(true, true, true, false));
}

TEST(FloatRegion, OfTheFirstMultiplicationIsItAlone) {
  EXPECT_THAT(float_region(chain(), {true, false, false, false}), ElementsAre(true, false, false, false));
}

TEST(FloatRegions, HasOneForEachMultiplicationAndOneForTheOutputs) {
  const auto regions = float_regions(chain());
  ASSERT_EQ(regions.size(), 3u);
  EXPECT_EQ(regions[0].label, "CONV_2D a");
  EXPECT_THAT(regions[0].labels, ElementsAre("CONV_2D a"));
  EXPECT_EQ(regions[1].label, "CONV_2D b");
  EXPECT_THAT(regions[1].labels, ElementsAre("CONV_2D a", "RELU r", "CONV_2D b"));
  EXPECT_EQ(regions[2].label, "outputs");
  EXPECT_THAT(regions[2].labels, ElementsAre("CONV_2D b", "TANH y"));
}

}  // namespace
}  // namespace assay::tflite
