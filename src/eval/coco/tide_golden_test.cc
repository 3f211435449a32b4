// What tidecv 1.0.1 answered, see tests/goldens/tide/PROVENANCE.md.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "eval/coco/error_analysis.h"
#include "eval/coco/readers.h"
#include "support/testing.h"

namespace assay::eval::coco {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-12;  // sums of at most 80 averages of 101 values, in another order

double from_hex(const json& text) { return std::strtod(text.get<std::string>().c_str(), nullptr); }

Result<ErrorAnalysis> analyse_texts(const std::string& annotations, const std::string& detections) {
  ThreadPool pool(1);
  ASSAY_TRY(const AnnotationFile truth, read_annotations(as_bytes(annotations)));
  ASSAY_TRY(const DetectionFile found, read_detections(as_bytes(detections), truth.annotations, pool));
  return analyse_errors(truth.annotations, found.detections, {});
}

void expect_errors(const ErrorAnalysis& analysis, const json& expected) {
  EXPECT_NEAR(analysis.ap, from_hex(expected["AP50"]), kTolerance);
  for (std::size_t k = 0; k < kMistakeKinds; ++k) {
    const json& kind = expected[kMistakeNames[k]];
    EXPECT_EQ(analysis.kinds[k].count, kind["count"]) << kMistakeNames[k];
    EXPECT_NEAR(analysis.kinds[k].cost, from_hex(kind["cost"]), kTolerance) << kMistakeNames[k];
  }
  EXPECT_NEAR(analysis.false_positives.cost, from_hex(expected["false_positives"]["cost"]), kTolerance);
  EXPECT_NEAR(analysis.false_negatives.cost, from_hex(expected["false_negatives"]["cost"]), kTolerance);
}

TEST(CocoErrorsGolden, EveryCountAndCostOfRandomInputsIsThatOfTidecv) {
  const json cases = json::parse(read_bytes(golden("tide/random.json")));
  ASSERT_GE(cases.size(), 10u);
  for (const json& entry : cases) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    const auto analysis = analyse_texts(entry["annotations"], entry["detections"]);
    ASSERT_THAT(analysis, IsOk());
    expect_errors(*analysis, entry["errors"]);
  }
}

TEST(CocoErrorsGolden, EveryCountAndCostOfARealDetectorIsThatOfTidecv) {
  const auto annotations = shared_data("coco/instances_val2017_100.json");
  if (!annotations) GTEST_SKIP() << "no shared data";
  const json expected = json::parse(read_bytes(golden("tide/yolox_nano.json")));
  const auto analysis = analyse_texts(read_bytes(*annotations), expected["detections"]);
  ASSERT_THAT(analysis, IsOk());
  expect_errors(*analysis, expected["errors"]);
}

}  // namespace
}  // namespace assay::eval::coco
