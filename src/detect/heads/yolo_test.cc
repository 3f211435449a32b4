#include <cmath>

#include "detect/heads/decode.h"
#include "detect/heads/decode_testing.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

// 64 x 64: 64 + 16 + 4 cells.
Output yolox_output() { return make_output("o", {1, 84, 7}); }

void set_row(Output* output, std::size_t row, std::vector<float> values) {
  std::copy(values.begin(), values.end(),
            output->values.begin() + static_cast<std::ptrdiff_t>(row * values.size()));
}

std::vector<Detection> decoded(HeadKind kind, const Output& output, const HeadOptions& options,
                               const Placement& placement) {
  const std::vector<Output> outputs = {output};
  auto detections = decode_detections(kind, outputs, 64, 64, placement, options);
  EXPECT_THAT(detections, IsOk());
  return detections ? *detections : std::vector<Detection>{};
}

void expect_box(const Detection& d, float left, float top, float right, float bottom) {
  EXPECT_NEAR(d.left, left, 1e-4);
  EXPECT_NEAR(d.top, top, 1e-4);
  EXPECT_NEAR(d.right, right, 1e-4);
  EXPECT_NEAR(d.bottom, bottom, 1e-4);
}

TEST(Yolox, MapsADecodedBoxBackToThePicture) {
  Output output = yolox_output();
  set_row(&output, 5, {32, 16, 20, 10, 0.8f, 0.1f, 0.5f});
  Placement placement = same_size(128, 64);
  placement.scale_x = placement.scale_y = 0.5;
  const auto found = decoded(HeadKind::kYolox, output, evaluation_options(HeadKind::kYolox), placement);
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0], 44, 22, 84, 42);
  EXPECT_FLOAT_EQ(found[0].score, 0.4f);
  EXPECT_EQ(found[0].class_index, 1);
}

TEST(Yolox, DecodesRawGridsToTheSameBoxes) {
  Output raw = yolox_output();
  // Stride 16 starts at row 64, its cell (x 2, y 1) is row 64 + 1 * 4 + 2.
  set_row(&raw, 70, {0.25f, -0.5f, std::log(20.0f / 16), std::log(10.0f / 16), 0.9f, 0.9f, 0.0f});
  const auto found = decoded(HeadKind::kYolox, raw, evaluation_options(HeadKind::kYolox), same_size(64, 64));
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0], 36 - 10, 8 - 5, 36 + 10, 8 + 5);
}

TEST(Yolox, DoesNotClipAsItsReferenceDoesNot) {
  Output output = yolox_output();
  set_row(&output, 9, {60, 60, 20, 20, 1, 1, 0});
  expect_box(decoded(HeadKind::kYolox, output, {}, same_size(64, 64)).at(0), 50, 50, 70, 70);
}

TEST(Yolov5, ScalesNormalizedBoxesAndMultipliesObjectness) {
  Output output = make_output("o", {1, 252, 7});
  set_row(&output, 100, {0.5f, 0.25f, 0.25f, 0.125f, 0.5f, 0.9f, 0.8f});
  const auto found =
      decoded(HeadKind::kYolov5, output, evaluation_options(HeadKind::kYolov5), same_size(64, 64));
  ASSERT_EQ(found.size(), 2u);
  expect_box(found[0], 24, 12, 40, 20);
  EXPECT_FLOAT_EQ(found[0].score, 0.45f);
  EXPECT_FLOAT_EQ(found[1].score, 0.4f);
}

TEST(Yolov5, TakesOnlyTheBestClassWithoutMultiLabel) {
  Output output = make_output("o", {1, 252, 7});
  set_row(&output, 100, {32, 16, 16, 8, 0.5f, 0.9f, 0.8f});
  const auto found = decoded(HeadKind::kYolov5, output, {.score_threshold = 0.25f}, same_size(64, 64));
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0], 24, 12, 40, 20);
  EXPECT_EQ(found[0].class_index, 0);
}

TEST(Yolov8, ReadsItsTableByColumnsAndClips) {
  Output output = make_output("o", {1, 6, 84});
  const float column[] = {4, 32, 16, 8, 0.2f, 0.7f};
  for (std::size_t i = 0; i < 6; ++i) output.values[i * 84 + 40] = column[i];
  const auto found = decoded(HeadKind::kYolov8, output, {.score_threshold = 0.25f}, same_size(64, 64));
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0], 0, 28, 12, 36);
  EXPECT_EQ(found[0].class_index, 1);
}

TEST(Yolov8, UndoesACentredLetterbox) {
  Output output = make_output("o", {1, 5, 84});
  const float column[] = {32, 32, 32, 16, 0.9f};
  for (std::size_t i = 0; i < 5; ++i) output.values[i * 84] = column[i];
  const InputSpec spec{.width = 64, .height = 64, .fit = FitKind::kLetterboxCentered};
  const auto found = decoded(HeadKind::kYolov8, output, {.score_threshold = 0.25f}, place(128, 64, spec));
  expect_box(found.at(0), 32, 16, 96, 48);
}

TEST(Yolo, RefusesLogitsUnlessTheyAreSaidToBe) {
  Output output = make_output("raw scores", {1, 5, 84}, -3.0f);
  const std::vector<Output> outputs = {output};
  EXPECT_THAT(decode_detections(HeadKind::kYolov8, outputs, 64, 64, same_size(64, 64), {}),
              FailsWith(ErrorCode::kInvalidArgument, "'raw scores': scores below 0"));
  const auto found =
      decode_detections(HeadKind::kYolov8, outputs, 64, 64, same_size(64, 64), {.scores_are_logits = true});
  ASSERT_THAT(found, IsOk());
  EXPECT_NEAR(found->at(0).score, 0.0474259f, 1e-6);
}

}  // namespace
}  // namespace assay::detect
