#include <cmath>

#include "detect/heads/candidates.h"
#include "detect/heads/decode.h"
#include "detect/heads/decode_testing.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

Output with_values(Output output, std::vector<float> values) {
  output.values = std::move(values);
  return output;
}

std::vector<Output> operator_outputs() {
  return {with_values(make_output("boxes", {1, 2, 4}), {0.1f, 0.2f, 0.5f, 0.6f, 0, 0, 1, 1}),
          with_values(make_output("classes", {1, 2}), {16, 0}),
          with_values(make_output("scores", {1, 2}), {0.9f, 0.3f}),
          with_values(make_output("count", {1}), {2})};
}

TEST(TfliteDetection, ReadsBoxesClassesScoresAndCount) {
  const auto found = decode_detections(HeadKind::kTfliteDetection, operator_outputs(), 300, 300,
                                       place(640, 480, {300, 300}), {});
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 2u);
  EXPECT_NEAR(found->at(0).left, 128, 1e-3);
  EXPECT_NEAR(found->at(0).top, 48, 1e-3);
  EXPECT_NEAR(found->at(0).right, 384, 1e-3);
  EXPECT_NEAR(found->at(0).bottom, 240, 1e-3);
  EXPECT_EQ(found->at(0).class_index, 16);
}

TEST(TfliteDetection, FindsClassesInShuffledOutputs) {
  auto outputs = operator_outputs();
  std::swap(outputs[0], outputs[2]);
  std::swap(outputs[1], outputs[3]);
  const auto found = decode_detections(HeadKind::kTfliteDetection, outputs, 300, 300, same_size(300, 300),
                                       {.score_threshold = 0.5f});
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->at(0).class_index, 16);
}

TEST(TfliteDetection, RefusesACountThatIsNone) {
  for (const float count : {3.0f, -1.0f, std::nanf("")}) {
    auto outputs = operator_outputs();
    outputs[3].values[0] = count;
    EXPECT_THAT(decode_detections(HeadKind::kTfliteDetection, outputs, 300, 300, same_size(300, 300), {}),
                FailsWith(ErrorCode::kCorrupt, "'count'"));
  }
}

TEST(TfliteDetection, RefusesAClassThatIsNone) {
  auto outputs = operator_outputs();
  outputs[1].values = {-5, 0};
  EXPECT_THAT(decode_detections(HeadKind::kTfliteDetection, outputs, 300, 300, same_size(300, 300), {}),
              FailsWith(ErrorCode::kCorrupt, "class -5"));
}

TEST(Ssd, HasTheAnchorsOfItsConfigurations) {
  EXPECT_EQ(ssd_anchors(300, 300).size(), 1917u);
  EXPECT_EQ(ssd_anchors(320, 320).size(), 2034u);
  const Anchor first = ssd_anchors(300, 300)[0];
  EXPECT_FLOAT_EQ(first.x, 0.5f / 19);
  EXPECT_FLOAT_EQ(first.height, 0.1f);
}

TEST(Ssd, DecodesABoxAgainstItsAnchor) {
  Output boxes = make_output("boxes", {1, 1917, 4});
  Output scores = make_output("scores", {1, 1917, 91});
  const Anchor anchor = ssd_anchors(300, 300)[1000];
  const float code[] = {1.0f, -2.0f, 0.5f, 0.0f};
  std::copy(code, code + 4, boxes.values.begin() + 4000);
  scores.values[1000 * 91] = 0.9f;
  scores.values[1000 * 91 + 18] = 0.7f;
  const std::vector<Output> outputs = {scores, boxes};
  // A picture so large that clipping does not interfere; the input's pixels are its own.
  Placement placement = same_size(10000, 10000);
  placement.offset_x = placement.offset_y = -1000;
  const auto found =
      decode_detections(HeadKind::kSsd, outputs, 300, 300, placement, evaluation_options(HeadKind::kSsd));
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->at(0).class_index, 17);
  const float x = (anchor.x - 0.2f * anchor.width) * 300, y = (anchor.y + 0.1f * anchor.height) * 300;
  EXPECT_NEAR((found->at(0).left + found->at(0).right) / 2, 1000 + x, 1e-2);
  EXPECT_NEAR((found->at(0).top + found->at(0).bottom) / 2, 1000 + y, 1e-2);
  EXPECT_NEAR(found->at(0).bottom - found->at(0).top, std::exp(0.1f) * anchor.height * 300, 1e-2);
  EXPECT_NEAR(found->at(0).right - found->at(0).left, anchor.width * 300, 1e-2);
}

TEST(Ssd, SaysHowManyAnchorsItNeeds) {
  const std::vector<Output> outputs = {make_output("boxes", {1, 500, 4}),
                                       make_output("scores", {1, 500, 91})};
  EXPECT_THAT(decode_detections(HeadKind::kSsd, outputs, 300, 300, same_size(300, 300), {}),
              FailsWith(ErrorCode::kInvalidArgument, "1917, expected 500"));
  HeadOptions options;
  options.anchors.resize(500);
  EXPECT_THAT(decode_detections(HeadKind::kSsd, outputs, 300, 300, same_size(300, 300), options), IsOk());
}

}  // namespace
}  // namespace assay::detect
