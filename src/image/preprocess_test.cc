#include "image/preprocess.h"

#include <cstring>
#include <limits>

#include "support/testing.h"

namespace assay {
namespace {

Image uniform(int width, int height, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  Image image(width, height);
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    image.rgb[i] = red, image.rgb[i + 1] = green, image.rgb[i + 2] = blue;
  }
  return image;
}

template <typename T>
std::vector<T> values(const PreparedInput& input) {
  std::vector<T> result(input.bytes.size() / sizeof(T));
  std::memcpy(result.data(), input.bytes.data(), input.bytes.size());
  return result;
}

template <typename T>
std::vector<T> prepared(const Image& image, const InputSpec& spec, const InputType& type) {
  const auto input = prepare_input(image, spec, type);
  EXPECT_THAT(input, IsOk());
  return input ? values<T>(*input) : std::vector<T>{};
}

TEST(Preprocess, PutsAYoloxPictureTopLeftAndPadsWith114) {
  const InputSpec spec{.width = 4,
                       .height = 4,
                       .resize = ResizeKind::kOpenCvLinear,
                       .fit = FitKind::kLetterboxTopLeft,
                       .pad_value = 114,
                       .order = ChannelOrder::kBgr};
  const auto out = prepared<float>(uniform(8, 4, 10, 20, 30), spec, {});
  ASSERT_EQ(out.size(), 48u);
  EXPECT_THAT(std::vector<float>(out.begin(), out.begin() + 3), testing::ElementsAre(30, 20, 10));
  EXPECT_EQ(out[3 * (1 * 4 + 3)], 30);
  EXPECT_EQ(out[3 * (2 * 4 + 0)], 114);
}

TEST(Preprocess, CentresAYolov5Letterbox) {
  const InputSpec spec{.width = 8, .height = 8, .fit = FitKind::kLetterboxCentered, .pad_value = 7};
  const auto out = prepared<float>(uniform(8, 5, 9, 9, 9), spec, {});
  // (8 - 5) / 2 - 0.1 rounds to 1 above, 2 below.
  for (int y = 0; y < 8; ++y)
    EXPECT_EQ(out[static_cast<std::size_t>(3 * 8 * y)], y >= 1 && y < 6 ? 9 : 7) << y;
}

TEST(Preprocess, SeparatesPlanesForNchw) {
  const InputSpec spec{.width = 2, .height = 2, .layout = TensorLayout::kNchw};
  EXPECT_THAT(prepared<float>(uniform(2, 2, 1, 2, 3), spec, {}),
              testing::ElementsAre(1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
}

TEST(Preprocess, NormalizesInTheOrderThatTheModelSees) {
  const InputSpec spec{
      .width = 1, .height = 1, .order = ChannelOrder::kBgr, .mean = {1, 2, 3}, .std = {2, 4, 8}};
  EXPECT_THAT(prepared<float>(uniform(1, 1, 11, 22, 33), spec, {}), testing::ElementsAre(16.0f, 5.0f, 1.0f));
}

TEST(Preprocess, QuantizesWithScaleAndZeroPointAndSaturates) {
  const InputSpec spec{
      .width = 1, .height = 1, .mean = {127.5f, 127.5f, 127.5f}, .std = {127.5f, 127.5f, 127.5f}};
  const InputType type{DType::kI8, 1.0f / 128, 0};
  EXPECT_THAT(prepared<std::int8_t>(uniform(1, 1, 0, 128, 255), spec, type),
              testing::ElementsAre(-128, 1, 127));
  const InputType coarse{DType::kU8, 1.0f / 64, 100};
  EXPECT_THAT(prepared<std::uint8_t>(uniform(1, 1, 0, 128, 255), spec, coarse),
              testing::ElementsAre(36, 100, 164));
}

TEST(Preprocess, HandsPixelsToAnUint8InputAsTheyAre) {
  const InputSpec spec{.width = 1, .height = 1, .mean = {127.5f, 127.5f, 127.5f}, .raw_uint8 = true};
  EXPECT_THAT(prepared<std::uint8_t>(uniform(1, 1, 0, 100, 255), spec, {DType::kU8, 0.0078125f, 128}),
              testing::ElementsAre(0, 100, 255));
}

TEST(Preprocess, PlacesSoThatCornersComeBack) {
  InputSpec spec{.width = 416, .height = 416, .fit = FitKind::kLetterboxTopLeft};
  const Placement yolox = place(640, 427, spec);
  EXPECT_DOUBLE_EQ(yolox.scale_x, 0.65);
  EXPECT_DOUBLE_EQ(yolox.scale_y, 0.65);
  EXPECT_EQ(yolox.offset_y, 0);
  spec.fit = FitKind::kStretch;
  EXPECT_DOUBLE_EQ(place(640, 208, spec).scale_y, 2.0);
  spec.fit = FitKind::kLetterboxCentered;
  EXPECT_EQ(place(640, 320, spec).offset_y, 104);
}

TEST(Preprocess, KeepsAPixelOfTheThinnestPicture) {
  const InputSpec spec{.width = 416, .height = 416, .fit = FitKind::kLetterboxTopLeft, .pad_value = 114};
  const auto out = prepared<float>(uniform(20000, 1, 5, 5, 5), spec, {});
  EXPECT_EQ(out[0], 5);
  EXPECT_EQ(out[416 * 3], 114);
}

TEST(Preprocess, NamesTheSettingThatIsWrong) {
  const Image image = uniform(2, 2, 0, 0, 0);
  const InputSpec good{.width = 2, .height = 2};
  InputSpec spec = good;
  spec.width = 0;
  EXPECT_THAT(prepare_input(image, spec, {}), FailsWith(ErrorCode::kInvalidArgument, "input size: 0x2"));
  spec = good, spec.pad_value = 256;
  EXPECT_THAT(prepare_input(image, spec, {}), FailsWith(ErrorCode::kInvalidArgument, "pad value: 256"));
  spec = good, spec.std[1] = 0;
  EXPECT_THAT(prepare_input(image, spec, {}), FailsWith(ErrorCode::kInvalidArgument, "std"));
  spec = good, spec.mean[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(prepare_input(image, spec, {}), FailsWith(ErrorCode::kInvalidArgument, "mean"));
  EXPECT_THAT(prepare_input(image, good, {DType::kF16}), FailsWith(ErrorCode::kInvalidArgument, "F16"));
  EXPECT_THAT(prepare_input(image, good, {DType::kI8, 0.0f}),
              FailsWith(ErrorCode::kInvalidArgument, "scale"));
  EXPECT_THAT(prepare_input(Image(), good, {}), FailsWith(ErrorCode::kInvalidArgument, "image"));
}

}  // namespace
}  // namespace assay
