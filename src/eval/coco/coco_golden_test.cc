// What pycocotools 2.0.11 answered, see tests/goldens/coco/PROVENANCE.md.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
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

// FNV-1a over the doubles' bits.
std::string digest(const std::vector<double>& values) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const double value : values) hash = (hash ^ std::bit_cast<std::uint64_t>(value)) * 0x100000001b3;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

EvaluationOptions options_of(const json& entry) {
  EvaluationOptions options{{}, {coco_area_ranges().front()}, entry["max_dets"]};
  for (const json& threshold : entry["thresholds"]) options.iou_thresholds.push_back(from_hex(threshold));
  for (const json& area : entry["areas"]) options.areas.push_back({area[0], area[1], area[2]});
  return options;
}

TEST(CocoGolden, EveryCurveWithOtherLimitsAreasAndThresholdsIsTheOneThatPycocotoolsAccumulates) {
  const json cases = json::parse(read_bytes(golden("coco/cases.json")));
  const json settings = json::parse(read_bytes(golden("coco/settings.json")));
  ASSERT_GE(settings.size(), 32u);
  for (const json& entry : settings) {
    SCOPED_TRACE(entry["case"].get<std::string>() + " with limits " + entry["max_dets"].dump());
    const auto inputs =
        std::find_if(cases.begin(), cases.end(), [&](const json& c) { return c["name"] == entry["case"]; });
    ASSERT_NE(inputs, cases.end());
    ThreadPool pool(2);
    const auto truth = read_annotations(as_bytes((*inputs)["annotations"].get_ref<const std::string&>()));
    ASSERT_THAT(truth, IsOk());
    const auto found = read_detections(as_bytes((*inputs)["detections"].get_ref<const std::string&>()),
                                       truth->annotations, pool);
    ASSERT_THAT(found, IsOk());
    const EvaluationOptions options = options_of(entry);
    const auto curves = evaluate_curves(truth->annotations, found->detections, options, pool);
    ASSERT_THAT(curves, IsOk());
    EXPECT_EQ(digest(curves->precision), entry["precision"]);
    EXPECT_EQ(digest(curves->recall), entry["recall"]);
    const CocoRecord record = summarize(*curves, truth->annotations, found->detections, options);
    EXPECT_EQ(record.ap, from_hex(entry["figures"]["AP"]));
    EXPECT_EQ(record.ap50, from_hex(entry["figures"]["AP50"]));
    EXPECT_EQ(record.areas[1].ap,
              from_hex(entry["figures"]["AP_" + entry["areas"][0][0].get<std::string>()]));
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
