#include "flow/evaluate_coco.h"

#include "flow/evaluate_detections.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace coco = eval::coco;

// Three pictures of one category, a box on each; everything found.
struct Perfect {
  coco::Annotations annotations;
  coco::Detections detections;
};
Perfect perfect() {
  Perfect all;
  all.annotations.categories = {{coco::ObjectId(1), "person"}};
  for (std::int32_t image = 0; image < 3; ++image) {
    all.annotations.images.emplace_back(image + 1);
    coco::TruthBox box;
    box.image = image;
    box.width = box.height = 50;
    box.area = 2500;
    all.annotations.boxes.push_back(box);
    all.detections.boxes.push_back({image, 0, 0, 0, 50, 50, 0.9});
  }
  return all;
}

TEST(BootstrapAveragePrecision, OfPerfectDetectionsIsOne) {
  ThreadPool pool(1);
  const auto [annotations, detections] = perfect();
  const auto interval = bootstrap_average_precision(annotations, detections, 20, 1, pool);
  ASSERT_THAT(interval, IsOk());
  ASSERT_TRUE(interval->has_value());
  // As far as 101 readings of precision sum up to it.
  EXPECT_NEAR((*interval)->low, 1.0, 1e-12);
  EXPECT_NEAR((*interval)->high, 1.0, 1e-12);
}

TEST(BootstrapAveragePrecision, LiesAroundTheFigureWhenOnePictureIsMissed) {
  ThreadPool pool(1);
  auto [annotations, detections] = perfect();
  detections.boxes.pop_back();
  const auto interval = bootstrap_average_precision(annotations, detections, 200, 1, pool);
  ASSERT_THAT(interval, IsOk());
  const auto record = coco::evaluate(annotations, detections, {}, pool);
  ASSERT_THAT(record, IsOk());
  EXPECT_LT((*interval)->low, record->ap);
  EXPECT_GT((*interval)->high, record->ap);
}

TEST(BootstrapAveragePrecision, OfNoPicturesIsNothing) {
  ThreadPool pool(1);
  const auto interval = bootstrap_average_precision({}, {}, 20, 1, pool);
  ASSERT_THAT(interval, IsOk());
  EXPECT_FALSE(interval->has_value());
}

TEST(EvaluateCoco, GivesWhatItsResultFileGives) {
  const auto model = shared_data("models/yolox_nano/yolox_nano.tflite");
  const auto annotations = shared_data("coco/instances_val2017_100.json");
  const auto pictures = shared_data("coco/val2017");
  if (!model || !annotations || !pictures || !litert::find_library())
    GTEST_SKIP() << "needs libLiteRt.so and ../shared";
  ThreadPool pool(1);
  NoProgress progress;
  const auto library = litert::Library::open();
  const auto checked = CheckedTflite::open(*model);
  ASSERT_THAT(library, IsOk());
  ASSERT_THAT(checked, IsOk());
  auto detector = Detector::create(*checked, *library, {});
  ASSERT_THAT(detector, IsOk());
  CocoEvaluationOptions options;
  options.pictures = *pictures;
  options.annotations = *annotations;
  options.resamples = 0;
  const auto evaluation = evaluate_coco(*detector, options, pool, progress);
  ASSERT_THAT(evaluation, IsOk());
  EXPECT_EQ(evaluation->record.images, 100);
  // What the model's outputs were worth with another program's post-processing: PROVENANCE.md of the shared
  // data.
  EXPECT_NEAR(evaluation->record.ap, 0.288, 0.01);
  TempDir folder;
  write_bytes(folder / "results.json", coco_results_json(evaluation->run.detections));
  const auto again = run_detections(*annotations, folder / "results.json", {}, pool);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->record.ap, evaluation->record.ap);
  EXPECT_EQ(again->record.ap50, evaluation->record.ap50);
  EXPECT_EQ(again->record.areas[1].ap, evaluation->record.areas[1].ap);
}

}  // namespace
}  // namespace assay
