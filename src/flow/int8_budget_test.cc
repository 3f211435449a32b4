#include "flow/int8_budget.h"

#include "flow/calibrate_detector.h"
#include "support/testing.h"

namespace assay {
namespace {

// Over the first pictures of the calibration set.
std::optional<Result<Int8Budget>> search(double keep, tflite::KeepFloat keep_float = {}) {
  const auto path = shared_data("models/yolox_nano/yolox_nano.tflite");
  const auto pictures = shared_data("coco/train2017");
  const auto annotations = shared_data("coco/instances_train2017_64.json");
  if (!path || !pictures || !annotations || !litert::find_library()) return std::nullopt;
  const auto model = CheckedTflite::open(*path);
  const auto library = litert::Library::open();
  EXPECT_THAT(model, IsOk());
  EXPECT_THAT(library, IsOk());
  NoProgress progress;
  ThreadPool pool(1);
  DetectorCalibrationOptions calibration;
  calibration.pictures = *pictures;
  calibration.samples = 4;
  const auto ranges = calibrate_detector(*model, *library, calibration, progress);
  EXPECT_THAT(ranges, IsOk());
  tflite::StaticOptions options;
  options.least_snr = 0;
  options.keep_float = std::move(keep_float);
  Int8BudgetOptions budget;
  budget.keep = keep;
  budget.data.pictures = *pictures;
  budget.data.annotations = *annotations;
  budget.data.limit = 6;
  budget.probes = 1;
  return find_int8_budget(*model, *library, ranges->ranges, options, budget, pool, progress);
}

// So that few operators are to be measured: all but those of the first layers stay in float.
bool is_late(const std::string& label) {
  for (const char* early : {"convolution/", "convolution_1/", "convolution_2/", "depthwise_conv2d/"}) {
    if (label.find(early) != std::string::npos) return false;
  }
  return true;
}

#define ASSAY_NEED_SEARCH(result, ...)     \
  const auto result = search(__VA_ARGS__); \
  if (!result) GTEST_SKIP() << "needs libLiteRt.so and ../shared"

TEST(Int8Budget, KeepsTheShareOfTheAccuracyThatWasAskedFor) {
  ASSAY_NEED_SEARCH(found, 0.97, is_late);
  ASSERT_THAT(*found, IsOk());
  const Int8Budget& budget = **found;
  EXPECT_EQ(budget.pictures, 6);
  EXPECT_TRUE(budget.reached);
  EXPECT_LT(budget.int8_ap, budget.target);
  EXPECT_GE(budget.ap, 0.97 * budget.float_ap);
  EXPECT_FALSE(budget.kept.empty());
  for (std::size_t i = 1; i < budget.regions.size(); ++i)
    ASSERT_GE(budget.regions[i - 1].error, budget.regions[i].error);
}

TEST(Int8Budget, KeepsNothingInFloatWhereThatIsNotNeeded) {
  ASSAY_NEED_SEARCH(found, 0.01, is_late);
  ASSERT_THAT(*found, IsOk());
  EXPECT_TRUE((*found)->reached);
  EXPECT_EQ((*found)->ap, (*found)->int8_ap);
  EXPECT_THAT((*found)->kept, testing::IsEmpty());
}

TEST(Int8Budget, LosesNothingWhereEverythingStaysInFloat) {
  ASSAY_NEED_SEARCH(found, 1.0, [](const std::string&) { return true; });
  ASSERT_THAT(*found, IsOk());
  EXPECT_EQ((*found)->int8_ap, (*found)->float_ap);
  EXPECT_EQ((*found)->int8_error, 0);
}

}  // namespace
}  // namespace assay
