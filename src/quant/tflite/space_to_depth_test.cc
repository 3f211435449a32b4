#include "quant/tflite/space_to_depth.h"

#include "formats/tflite/model_testing.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

using testing::ElementsAre;

// Where slice i of the concatenation starts.
struct Start {
  std::int32_t row, column;
};

constexpr std::array<Start, 4> kFocus{{{0, 0}, {1, 0}, {0, 1}, {1, 1}}};

// x [1,4,4,1] -> four slices, joined -> CONV_2D with the weights 10, 20, 30, 40.
struct Focus {
  ModelBuilder b;
  int x = -1, joined = -1, weights = -1;
  std::vector<int> parts;

  explicit Focus(const std::array<Start, 4>& starts = kFocus, std::int32_t stride = 2) {
    x = b.input("x", {1, 4, 4, 1});
    const int end = ints({0, 4, 4, 0}), strides = ints({1, stride, stride, 1});
    for (const Start& start : starts) {
      const int begin = ints({0, start.row, start.column, 0});
      parts.push_back(b.tensor("part", {1, 2, 2, 1}));
      Operator& slice =
          b.add(Op::kStridedSlice, {x, begin, end, strides}, {parts.back()}, "StridedSliceOptions");
      slice.options.set_integer("begin_mask", 9);
      slice.options.set_integer("end_mask", 9);
    }
    joined = b.tensor("joined", {1, 2, 2, 4});
    b.add(Op::kConcatenation, {parts[0], parts[1], parts[2], parts[3]}, {joined}, "ConcatenationOptions")
        .options.set_integer("axis", 3);
    weights = b.weights("w", {1, 1, 1, 4}, {10, 20, 30, 40});
    const int y = b.tensor("y", {1, 2, 2, 1});
    b.add(Op::kConv2d, {joined, weights, b.weights("bias", {1}, {0})}, {y}, "Conv2DOptions");
    b.output(y);
  }
  int ints(const std::vector<std::int32_t>& values) {
    return b.constant("ints", {4}, values, TensorType::kInt32);
  }
};

TEST(MergeSpaceToDepth, MakesOneOperatorOfTheFourSlices) {
  Focus focus;
  EXPECT_EQ(merge_space_to_depth(focus.b.model()), 1u);
  const auto& ops = focus.b.model().main().operators;
  ASSERT_EQ(ops.size(), 2u);
  EXPECT_EQ(ops[0].op, Op::kSpaceToDepth);
  EXPECT_THAT(ops[0].inputs, ElementsAre(focus.x));
  EXPECT_THAT(ops[0].outputs, ElementsAre(focus.joined));
  EXPECT_EQ(ops[0].options.integer("block_size"), 2);
  EXPECT_EQ(ops[1].op, Op::kConv2d);
  EXPECT_THAT(validate(focus.b.model()), IsOk());
}

TEST(MergeSpaceToDepth, GivesEveryPixelTheWeightThatItHad) {
  Focus focus;
  merge_space_to_depth(focus.b.model());
  const Model& model = focus.b.model();
  const auto& weights = model.main().tensors[static_cast<std::size_t>(focus.weights)];
  // SPACE_TO_DEPTH goes along rows; the second slice here is the pixel below the first.
  EXPECT_THAT(Data::borrow(model.data(weights)).values<float>(), ElementsAre(10, 30, 20, 40));
}

TEST(MergeSpaceToDepth, LeavesSlicesAloneThatMissAPixel) {
  Focus focus({{{0, 0}, {1, 0}, {0, 0}, {1, 1}}});
  EXPECT_EQ(merge_space_to_depth(focus.b.model()), 0u);
  EXPECT_EQ(focus.b.model().main().operators.size(), 6u);
}

TEST(MergeSpaceToDepth, LeavesSlicesOfAnotherStrideAlone) {
  Focus focus(kFocus, 1);
  EXPECT_EQ(merge_space_to_depth(focus.b.model()), 0u);
}

TEST(MergeSpaceToDepth, LeavesAConcatenationAloneThatIsAnOutput) {
  Focus focus;
  focus.b.output(focus.joined);
  EXPECT_EQ(merge_space_to_depth(focus.b.model()), 0u);
}

TEST(MergeSpaceToDepth, LeavesAConcatenationAloneThatMoreThanConvolutionsRead) {
  Focus focus;
  focus.b.add(Op::kRelu, {focus.joined}, {focus.b.tensor("z", {1, 2, 2, 4})});
  EXPECT_EQ(merge_space_to_depth(focus.b.model()), 0u);
}

TEST(MergeSpaceToDepth, LeavesASliceAloneThatAnotherOperatorReads) {
  Focus focus;
  focus.b.add(Op::kRelu, {focus.parts[2]}, {focus.b.tensor("z", {1, 2, 2, 1})});
  EXPECT_EQ(merge_space_to_depth(focus.b.model()), 0u);
}

TEST(MergeSpaceToDepth, LeavesWeightsAloneThatTwoConvolutionsShare) {
  Focus focus;
  const int other = focus.b.input("other", {1, 2, 2, 4});
  focus.b.add(Op::kConv2d, {other, focus.weights}, {focus.b.tensor("z", {1, 2, 2, 1})}, "Conv2DOptions");
  EXPECT_EQ(merge_space_to_depth(focus.b.model()), 0u);
}

}  // namespace
}  // namespace assay::tflite
