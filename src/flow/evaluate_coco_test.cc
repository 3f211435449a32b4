#include "flow/evaluate_coco.h"

#include "flow/evaluate_detections.h"
#include "support/testing.h"

namespace assay {
namespace {

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
  const auto again =
      run_detections({.annotations = *annotations, .detections = folder / "results.json"}, pool);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->record.ap, evaluation->record.ap);
  EXPECT_EQ(again->record.ap50, evaluation->record.ap50);
  EXPECT_EQ(again->record.areas[1].ap, evaluation->record.areas[1].ap);
}

}  // namespace
}  // namespace assay
