#include "flow/detector.h"

#include <cstring>

#include "flow/calibrate_detector.h"
#include "formats/tflite/model.h"
#include "image/decode.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr const char* kModel = "models/yolox_nano/yolox_nano.tflite";
constexpr const char* kPictures = "coco/train2017";

struct Real {
  std::shared_ptr<const litert::Library> library;
  CheckedTflite model;
  std::filesystem::path pictures;
};

// Nothing where this machine has not all of them.
std::optional<Real> real_detector() {
  const auto model = shared_data(kModel);
  const auto pictures = shared_data(kPictures);
  if (!model || !pictures || !litert::find_library()) return std::nullopt;
  auto library = litert::Library::open();
  auto checked = CheckedTflite::open(*model);
  EXPECT_THAT(library, IsOk());
  EXPECT_THAT(checked, IsOk());
  if (!library || !checked) return std::nullopt;
  return Real{*library, *checked, *pictures};
}

#define ASSAY_NEED_DETECTOR(real)    \
  const auto real = real_detector(); \
  if (!real) GTEST_SKIP() << "needs libLiteRt.so and ../shared"

DetectorCalibrationOptions two_pictures(const Real& real) {
  DetectorCalibrationOptions options;
  options.pictures = real.pictures;
  options.samples = 2;
  options.method = RangeMethod::kMinMax;
  return options;
}

std::vector<float> output_for(Detector& detector, litert::Runner& runner, const std::filesystem::path& path) {
  const auto picture = read_image(path);
  EXPECT_THAT(picture, IsOk());
  const auto input = detector.input().prepare(*picture);
  EXPECT_THAT(input, IsOk());
  const auto outputs = runner.run({{ByteView(input->inputs[0])}});
  EXPECT_THAT(outputs, IsOk());
  std::vector<float> values((*outputs)[0].size() / sizeof(float));
  std::memcpy(values.data(), (*outputs)[0].data(), (*outputs)[0].size());
  return values;
}

TEST(CheckedTflite, RefusesATruncatedFileBeforeTheRuntimeSeesIt) {
  const auto model = shared_data(kModel);
  if (!model) GTEST_SKIP() << "needs ../shared";
  TempDir folder;
  write_bytes(folder / "half.tflite", read_bytes(*model).substr(0, 1'900'000));
  EXPECT_THAT(CheckedTflite::open(folder / "half.tflite"), FailsWith(ErrorCode::kCorrupt, "half.tflite"));
}

TEST(Detector, KnowsYoloxByItsOutputs) {
  ASSAY_NEED_DETECTOR(real);
  const auto detector = Detector::create(real->model, real->library, {});
  ASSERT_THAT(detector, IsOk());
  EXPECT_EQ(detector->head(), detect::HeadKind::kYolox);
  EXPECT_EQ(detector->classes().name, "coco80");
}

TEST(Detector, FindsThePersonAndTheSkis) {
  ASSAY_NEED_DETECTOR(real);
  const auto path = shared_data("coco/val2017/000000000785.jpg");
  if (!path) GTEST_SKIP() << "no picture";
  auto detector = Detector::create(real->model, real->library, {.score_threshold = 0.3f});
  ASSERT_THAT(detector, IsOk());
  const auto picture = read_image(*path);
  ASSERT_THAT(picture, IsOk());
  const auto found = detector->detect(*picture);
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->detections.size(), 2u);
  EXPECT_EQ(detector->classes().category_name(found->detections[0].class_index), "person");
  EXPECT_EQ(detector->classes().category_name(found->detections[1].class_index), "skis");
}

TEST(DetectorCalibration, RangeOfTheOutputIsThatOfItsValues) {
  ASSAY_NEED_DETECTOR(real);
  NoProgress progress;
  const auto calibration = calibrate_detector(real->model, real->library, two_pictures(*real), progress);
  ASSERT_THAT(calibration, IsOk());
  auto detector = Detector::create(real->model, real->library, {});
  auto runner = real->model.run_with(real->library, {});
  ASSERT_THAT(detector, IsOk());
  ASSERT_THAT(runner, IsOk());
  const auto all = pictures_in(real->pictures);
  ASSERT_THAT(all, IsOk());
  float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
  for (const auto& path : {(*all)[0], (*all)[all->size() / 2]}) {
    for (const float value : output_for(*detector, *runner, path)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  const auto parsed = tflite::parse(real->model.bytes());
  ASSERT_THAT(parsed, IsOk());
  const auto& range = calibration->ranges[static_cast<std::size_t>(parsed->main().outputs[0])];
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(range->min, low);
  EXPECT_EQ(range->max, high);
}

TEST(DetectorCalibration, DoesNotDependOnTheNumberOfPasses) {
  ASSAY_NEED_DETECTOR(real);
  NoProgress progress;
  auto options = two_pictures(*real);
  const auto few = calibrate_detector(real->model, real->library, options, progress);
  options.max_bytes_per_pass = 6 << 20;
  const auto many = calibrate_detector(real->model, real->library, options, progress);
  ASSERT_THAT(few, IsOk());
  ASSERT_THAT(many, IsOk());
  EXPECT_GT(many->passes, few->passes);
  for (std::size_t i = 0; i < few->ranges.size(); ++i) {
    ASSERT_EQ(few->ranges[i].has_value(), many->ranges[i].has_value()) << "tensor " << i;
    if (!few->ranges[i]) continue;
    // Which operators XNNPACK fuses depends on what is exposed, and fused ones may round otherwise.
    const float tolerance = 1e-4f * (few->ranges[i]->max - few->ranges[i]->min);
    EXPECT_NEAR(few->ranges[i]->min, many->ranges[i]->min, tolerance) << "tensor " << i;
    EXPECT_NEAR(few->ranges[i]->max, many->ranges[i]->max, tolerance) << "tensor " << i;
  }
}

TEST(DetectorCalibration, WithoutPicturesSaysSo) {
  ASSAY_NEED_DETECTOR(real);
  TempDir folder;
  NoProgress progress;
  auto options = two_pictures(*real);
  options.pictures = folder.path();
  EXPECT_THAT(calibrate_detector(real->model, real->library, options, progress),
              FailsWith(ErrorCode::kNotFound, "has no pictures"));
}

}  // namespace
}  // namespace assay
