#include "detect/heads/decode.h"

#include <cmath>
#include <limits>

#include "detect/heads/decode_testing.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

TEST(Detr, TakesNoObjectIntoTheSoftmaxOnly) {
  Output logits = make_output("logits", {1, 2, 4}), boxes = make_output("pred_boxes", {1, 2, 4}, 0.5f);
  logits.values = {0, std::log(3.0f), 0, std::log(5.0f), 0, 0, 0, 100};
  const std::vector<Output> outputs = {logits, boxes};
  const auto found =
      decode_detections(HeadKind::kDetr, outputs, 100, 50, same_size(100, 50), {.score_threshold = 0.1f});
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_NEAR(found->at(0).score, 0.3f, 1e-6);
  EXPECT_EQ(found->at(0).class_index, 1);
  EXPECT_FLOAT_EQ(found->at(0).left, 25);
  EXPECT_FLOAT_EQ(found->at(0).bottom, 37.5f);
}

TEST(RtDetr, KeepsAsManyAsThereAreQueriesOverAllClasses) {
  Output logits = make_output("logits", {1, 2, 3}, -9.0f), boxes = make_output("boxes", {1, 2, 4}, 0.5f);
  logits.values = {2, 1, -9, 0, -9, -9};
  const std::vector<Output> outputs = {logits, boxes};
  const auto found = decode_detections(HeadKind::kRtDetr, outputs, 64, 64, same_size(64, 64), {});
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ(found->at(0).class_index, 0);
  EXPECT_EQ(found->at(1).class_index, 1);
}

// 64 x 64: 64 + 16 + 4 + 1 cells with NanoDet-Plus, 84 with NanoDet.
TEST(Nanodet, TakesTheExpectedDistanceFromCornersOrCenters) {
  for (const bool plus : {true, false}) {
    Output output = make_output("o", {1, plus ? 85 : 84, 34});
    float* row = output.values.data() + (8 * 3 + 4) * 34;  // stride 8, x 4, y 3
    row[1] = 0.8f;
    const std::size_t bins[] = {1, 2, 3, 0};
    for (std::size_t side = 0; side < 4; ++side) row[2 + side * 8 + bins[side]] = 50.0f;
    const std::vector<Output> outputs = {output};
    const auto found = decode_detections(HeadKind::kNanodet, outputs, 64, 64, same_size(64, 64),
                                         evaluation_options(HeadKind::kNanodet));
    ASSERT_THAT(found, IsOk());
    ASSERT_EQ(found->size(), 1u);
    const float shift = plus ? 0.0f : 4.0f;
    EXPECT_NEAR(found->at(0).left, 32 + shift - 8, 1e-3);
    EXPECT_NEAR(found->at(0).top, 24 + shift - 16, 1e-3);
    EXPECT_NEAR(found->at(0).right, 32 + shift + 24, 1e-3);
    EXPECT_NEAR(found->at(0).bottom, 24 + shift, 1e-3);
    EXPECT_EQ(found->at(0).class_index, 1);
  }
}

TEST(Fastestdet, ReadsBothLayoutsAlike) {
  Output planar = make_output("o", {1, 7, 4, 4}), interleaved = make_output("o", {1, 4, 4, 7});
  const float values[] = {0.5f, 0.1f, -0.2f, -1.0f, 0.0f, 0.3f, 0.6f};
  for (std::size_t c = 0; c < 7; ++c) {
    planar.values[c * 16 + 6] = values[c];
    interleaved.values[6 * 7 + c] = values[c];
  }
  const HeadOptions options{.score_threshold = 0.3f, .iou_threshold = 0.45};
  for (const Output& output : {planar, interleaved}) {
    const std::vector<Output> outputs = {output};
    const auto found = decode_detections(HeadKind::kFastestdet, outputs, 64, 64, same_size(64, 64), options);
    ASSERT_THAT(found, IsOk());
    ASSERT_EQ(found->size(), 1u);
    EXPECT_NEAR(found->at(0).score, std::pow(0.5f, 0.6f) * std::pow(0.6f, 0.4f), 1e-6);
    EXPECT_EQ(found->at(0).class_index, 1);
    EXPECT_NEAR((found->at(0).left + found->at(0).right) / 2, (std::tanh(0.1f) + 2) * 16, 1e-3);
    EXPECT_NEAR((found->at(0).top + found->at(0).bottom) / 2, (std::tanh(-0.2f) + 1) * 16, 1e-3);
    EXPECT_NEAR(found->at(0).bottom - found->at(0).top, 32, 1e-3);
  }
}

TEST(Decode, DropsWhatIsNotFinite) {
  Output output = make_output("o", {1, 84, 6});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const float rows[][6] = {
      {nan, 1, 1, 1, 1, 1}, {1, infinity, 1, 1, 1, 1}, {1, 1, 1, 1, nan, 1}, {9, 9, 1, 1, 1, 1}};
  for (std::size_t i = 0; i < 4; ++i)
    std::copy(rows[i], rows[i] + 6, output.values.begin() + static_cast<std::ptrdiff_t>(6 * i));
  const std::vector<Output> outputs = {output};
  const auto found =
      decode_detections(HeadKind::kYolox, outputs, 64, 64, same_size(64, 64), {.score_threshold = 0.5f});
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_FLOAT_EQ(found->at(0).left, 8.5f);
}

TEST(Decode, GivesTheBestFirstAndNoMoreThanAsked) {
  Output output = make_output("o", {1, 84, 6});
  for (std::size_t i = 0; i < 10; ++i) {
    const float row[] = {static_cast<float>(i) * 6, 5, 2, 2, 1, 0.1f * static_cast<float>(i)};
    std::copy(row, row + 6, output.values.begin() + static_cast<std::ptrdiff_t>(6 * i));
  }
  const std::vector<Output> outputs = {output};
  const auto found = decode_detections(HeadKind::kYolox, outputs, 64, 64, same_size(64, 64),
                                       {.score_threshold = 0.05f, .max_detections = 3});
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 3u);
  EXPECT_FLOAT_EQ(found->at(0).score, 0.9f);
  EXPECT_FLOAT_EQ(found->at(2).score, 0.7f);
}

TEST(Decode, NamesOutputsThatDoNotFitTheHead) {
  const std::vector<Output> outputs = {make_output("o", {1, 84, 6})};
  EXPECT_THAT(decode_detections(HeadKind::kDetr, outputs, 64, 64, same_size(64, 64), {}),
              FailsWith(ErrorCode::kUnsupported, "head detr: does not fit the outputs 'o' [1, 84, 6]"));
  std::vector<Output> short_one = outputs;
  short_one[0].values.pop_back();
  EXPECT_THAT(decode_detections(HeadKind::kYolox, short_one, 64, 64, same_size(64, 64), {}),
              FailsWith(ErrorCode::kCorrupt, "503 values, expected 504"));
  const std::vector<Output> batch = {make_output("o", {2, 84, 6})};
  EXPECT_THAT(decode_detections(HeadKind::kYolox, batch, 64, 64, same_size(64, 64), {}),
              FailsWith(ErrorCode::kUnsupported, "[2, 84, 6]"));
}

}  // namespace
}  // namespace assay::detect
