// What pycocotools 2.0.11 answered, see tests/goldens/coco/PROVENANCE.md.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "eval/coco/evaluate.h"
#include "eval/coco/readers.h"
#include "support/testing.h"

namespace assay::eval::coco {
namespace {

using nlohmann::json;

double from_hex(const json& text) { return std::strtod(text.get<std::string>().c_str(), nullptr); }

Result<CocoRecord> evaluate_texts(const std::string& annotations, const std::string& detections,
                                  int threads) {
  ThreadPool pool(threads);
  ASSAY_TRY(const AnnotationFile truth, read_annotations(as_bytes(annotations)));
  ASSAY_TRY(const DetectionFile found, read_detections(as_bytes(detections), truth.annotations, pool));
  return evaluate(truth.annotations, found.detections, {}, pool);
}

void expect_figures(const CocoRecord& record, const json& expected) {
  const json& figures = expected["figures"];
  EXPECT_EQ(record.ap, from_hex(figures["AP"]));
  EXPECT_EQ(record.ap50, from_hex(figures["AP50"]));
  EXPECT_EQ(record.ap75, from_hex(figures["AP75"]));
  ASSERT_EQ(record.areas.size(), 4u);
  const char* areas[] = {"", "s", "m", "l"};
  for (std::size_t a = 1; a < 4; ++a) {
    EXPECT_EQ(record.areas[a].ap, from_hex(figures[std::string("AP") + areas[a]])) << areas[a];
    EXPECT_EQ(record.areas[a].ar, from_hex(figures[std::string("AR") + areas[a]])) << areas[a];
  }
  ASSERT_EQ(record.recalls.size(), 3u);
  for (const RecallFigure& recall : record.recalls)
    EXPECT_EQ(recall.ar, from_hex(figures["AR" + std::to_string(recall.max_detections)]))
        << recall.max_detections;
  std::vector<double> found, wanted;
  for (const CategoryFigures& category : record.categories) {
    if (category.ap != -1) found.push_back(category.ap);
  }
  for (const json& ap : expected["per_category"]) wanted.push_back(from_hex(ap));
  EXPECT_EQ(found, wanted);
}

TEST(CocoGolden, EveryFigureOfHostileInputsIsTheDoubleThatPycocotoolsGives) {
  const json cases = json::parse(read_bytes(golden("coco/cases.json")));
  ASSERT_GE(cases.size(), 47u);
  for (const json& entry : cases) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    const auto record = evaluate_texts(entry["annotations"], entry["detections"], 2);
    ASSERT_THAT(record, IsOk());
    expect_figures(*record, entry);
  }
}

TEST(CocoGolden, EveryFigureOfPycocotoolsOwnExampleIsTheSameDouble) {
  const auto folder = shared_data("evaluator/cocoapi_val2014_100");
  if (!folder) GTEST_SKIP() << "no shared data";
  const json expected = json::parse(read_bytes(golden("coco/val2014_100.json")));
  const auto record = evaluate_texts(read_bytes(*folder / "instances_val2014_100.json"),
                                     read_bytes(*folder / "instances_val2014_fakebbox100_results.json"), 1);
  ASSERT_THAT(record, IsOk());
  expect_figures(*record, expected);
}

}  // namespace
}  // namespace assay::eval::coco
