#include "detect/heads/choose_head.h"

#include "support/testing.h"

namespace assay::detect {
namespace {

std::string chosen(const std::vector<OutputInfo>& outputs, int width, int height) {
  const auto kind = choose_head(outputs, width, height);
  return kind ? std::string(head_name(*kind)) : "error: " + kind.error().message;
}

TEST(ChooseHead, KnowsEachFamilyByItsShapes) {
  EXPECT_EQ(chosen({{"PartitionedCall:0", {1, 3549, 85}}}, 416, 416), "yolox");
  EXPECT_EQ(chosen({{"Identity", {1, 25200, 85}}}, 640, 640), "yolov5");
  EXPECT_EQ(chosen({{"Identity", {1, 84, 8400}}}, 640, 640), "yolov8");
  EXPECT_EQ(chosen({{"output", {1, 3598, 112}}}, 416, 416), "nanodet");
  EXPECT_EQ(chosen({{"output", {1, 2100, 112}}}, 320, 320), "nanodet");
  EXPECT_EQ(chosen({{"758", {1, 85, 22, 22}}}, 352, 352), "fastestdet");
  EXPECT_EQ(chosen({{"Identity", {1, 22, 22, 85}}}, 352, 352), "fastestdet");
  EXPECT_EQ(chosen({{"logits", {1, 100, 92}}, {"pred_boxes", {1, 100, 4}}}, 800, 800), "detr");
  EXPECT_EQ(chosen({{"boxes", {1, 300, 4}}, {"logits", {1, 300, 80}}}, 640, 640), "rt-detr");
  EXPECT_EQ(chosen({{"a", {1, 1917, 4}}, {"b", {1, 1917, 91}}}, 300, 300), "ssd");
  EXPECT_EQ(chosen({{"a", {1, 10, 4}}, {"b", {1, 10}}, {"c", {1, 10}}, {"d", {1}}}, 300, 300),
            "tflite-detection");
}

TEST(ChooseHead, ListsHeadsAndOutputsWhenNoneFits) {
  const std::vector<OutputInfo> outputs = {{"probabilities", {1, 1000}}};
  const auto kind = choose_head(outputs, 224, 224);
  EXPECT_THAT(kind, FailsWith(ErrorCode::kUnsupported, "'probabilities' [1, 1000]"));
  EXPECT_THAT(kind, FailsWith(ErrorCode::kUnsupported, "yolox, yolov5"));
  EXPECT_THAT(choose_head({}, 224, 224), FailsWith(ErrorCode::kUnsupported, "no outputs"));
  EXPECT_THAT(choose_head(outputs, 0, 224), FailsWith(ErrorCode::kInvalidArgument, "0x224"));
}

TEST(ChooseHead, DoesNotTakeOneInputSizeForAnother) {
  EXPECT_THAT(chosen({{"Identity", {1, 3549, 85}}}, 640, 640), testing::HasSubstr("error: head: no family"));
}

TEST(ChooseHead, CountsClassesWithoutBackground) {
  const auto count = [](HeadKind kind, const std::vector<OutputInfo>& outputs, int size) {
    const auto classes = class_count(kind, outputs, size, size);
    return classes ? *classes : -1;
  };
  EXPECT_EQ(count(HeadKind::kYolox, {{"o", {1, 3549, 85}}}, 416), 80);
  EXPECT_EQ(count(HeadKind::kYolov8, {{"o", {1, 5, 8400}}}, 640), 1);
  EXPECT_EQ(count(HeadKind::kNanodet, {{"o", {1, 3598, 112}}}, 416), 80);
  EXPECT_EQ(count(HeadKind::kDetr, {{"l", {1, 100, 92}}, {"b", {1, 100, 4}}}, 800), 91);
  EXPECT_EQ(count(HeadKind::kSsd, {{"b", {1, 1917, 4}}, {"s", {1, 1917, 91}}}, 300), 90);
  EXPECT_EQ(count(HeadKind::kFastestdet, {{"o", {1, 22, 22, 85}}}, 352), 80);
}

TEST(ChooseHead, RefusesAHeadThatDoesNotFitTheShapes) {
  const std::vector<OutputInfo> outputs = {{"o", {1, 3549, 85}}};
  for (const HeadKind kind : {HeadKind::kTfliteDetection, HeadKind::kSsd, HeadKind::kYolov5,
                              HeadKind::kYolov8, HeadKind::kFastestdet, HeadKind::kDetr, HeadKind::kRtDetr}) {
    EXPECT_THAT(
        class_count(kind, outputs, 416, 416),
        FailsWith(ErrorCode::kUnsupported, "head " + std::string(head_name(kind)) + ": does not fit"));
  }
}

TEST(ChooseHead, TellsBoxesFromThreeClassesByNameOrNotAtAll) {
  EXPECT_EQ(chosen({{"logits", {1, 50, 4}}, {"boxes", {1, 50, 4}}}, 320, 320), "detr");
  EXPECT_THAT(chosen({{"a", {1, 50, 4}}, {"b", {1, 50, 4}}}, 320, 320), testing::HasSubstr("error"));
}

TEST(HeadKind, HasANameForEachThatLeadsBack) {
  for (const auto kind : {HeadKind::kTfliteDetection, HeadKind::kSsd, HeadKind::kYolox, HeadKind::kYolov5,
                          HeadKind::kYolov8, HeadKind::kFastestdet, HeadKind::kDetr, HeadKind::kRtDetr}) {
    const auto back = head_from_name(head_name(kind));
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(*back, kind);
  }
  EXPECT_THAT(head_from_name("yolo"),
              FailsWith(ErrorCode::kInvalidArgument, "expected one of tflite-detection, ssd"));
}

TEST(InputSpec, TakesSizeAndLayoutFromTheShape) {
  const auto nhwc = default_input_spec(HeadKind::kYolox, {1, 320, 416, 3});
  ASSERT_THAT(nhwc, IsOk());
  EXPECT_EQ(nhwc->height, 320);
  EXPECT_EQ(nhwc->width, 416);
  EXPECT_EQ(nhwc->order, ChannelOrder::kBgr);
  EXPECT_EQ(nhwc->pad_value, 114);
  const auto nchw = default_input_spec(HeadKind::kFastestdet, {1, 3, 352, 352});
  ASSERT_THAT(nchw, IsOk());
  EXPECT_EQ(nchw->layout, TensorLayout::kNchw);
  EXPECT_THAT(default_input_spec(HeadKind::kSsd, {1, 300, 300, 1}),
              FailsWith(ErrorCode::kUnsupported, "[1, 300, 300, 1]"));
  EXPECT_THAT(default_input_spec(HeadKind::kSsd, {1, -1, -1, 3}),
              FailsWith(ErrorCode::kUnsupported, "model input"));
}

}  // namespace
}  // namespace assay::detect
