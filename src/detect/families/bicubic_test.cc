#include "detect/families/bicubic.h"

#include "support/testing.h"

namespace assay::detect {
namespace {

using testing::ElementsAre;
using testing::FloatNear;

TEST(ResizeBicubic, LeavesATableOfTheSameSizeAsItIs) {
  const std::vector<float> table = {1.5f, -2.0f,  0.25f, 8.0f, -0.5f, 3.0f,
                                    7.0f, 0.125f, 1e-8f, 5.0f, -6.0f, 2.0f};
  EXPECT_EQ(resize_bicubic(table, 2, 3, 2, 2, 3), table);
}

TEST(ResizeBicubic, LeavesAConstantAsItIs) {
  for (const float value : resize_bicubic(std::vector<float>(7 * 5, 0.75f), 7, 5, 1, 11, 3))
    EXPECT_FLOAT_EQ(value, 0.75f);
}

// torch.nn.functional.interpolate(torch.tensor([[[values]]], dtype=torch.float64), size=(1, n),
// mode="bicubic") of torch 2.10.0
TEST(ResizeBicubic, GivesWhatPyTorchGives) {
  EXPECT_THAT(resize_bicubic({0.0f, 1.0f, 0.0f, 2.0f}, 1, 4, 1, 1, 6),
              ElementsAre(FloatNear(-0.0868055556f, 1e-6f), FloatNear(0.59375f, 1e-6f),
                          FloatNear(0.908564815f, 1e-6f), FloatNear(-0.0127314815f, 1e-6f),
                          FloatNear(0.90625f, 1e-6f), FloatNear(2.17361111f, 1e-6f)));
  EXPECT_THAT(resize_bicubic({0.0f, 1.0f, 0.0f, 2.0f, 5.0f, -1.0f}, 1, 6, 1, 1, 4),
              ElementsAre(FloatNear(0.26171875f, 1e-6f), FloatNear(0.05078125f, 1e-6f),
                          FloatNear(3.1015625f, 1e-6f), FloatNear(0.46484375f, 1e-6f)));
}

TEST(ResizeBicubic, ResizesRowsAsColumnsAndEachChannelAlone) {
  const std::vector<float> line = {0.0f, 1.0f, 0.0f, 2.0f};
  EXPECT_EQ(resize_bicubic(line, 4, 1, 1, 6, 1), resize_bicubic(line, 1, 4, 1, 1, 6));
  std::vector<float> two;
  for (const float value : line) two.insert(two.end(), {value, -2 * value});
  const auto one = resize_bicubic(line, 1, 4, 1, 1, 6), both = resize_bicubic(two, 1, 4, 2, 1, 6);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(both[2 * i], one[i]);
    EXPECT_EQ(both[2 * i + 1], -2 * one[i]);
  }
}

TEST(ResizeBicubic, TakesTablesOfOneElement) {
  EXPECT_THAT(resize_bicubic({3.0f}, 1, 1, 1, 2, 2), ElementsAre(3.0f, 3.0f, 3.0f, 3.0f));
  EXPECT_EQ(resize_bicubic({0.0f, 1.0f, 2.0f, 3.0f, 4.0f}, 1, 5, 1, 1, 1).size(), 1u);
}

}  // namespace
}  // namespace assay::detect
