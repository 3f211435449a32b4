// assay eval detections and assay explain, as a user meets them.
#include <nlohmann/json.hpp>

#include "run_binary.h"
#include "support/testing.h"

namespace assay {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kTruth[] = R"({"images": [{"id": 1}, {"id": 2}],
  "categories": [{"id": 5, "name": "cat"}, {"id": 6, "name": "dog"}], "annotations": [
  {"id": 1, "image_id": 1, "category_id": 5, "bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0},
  {"id": 2, "image_id": 2, "category_id": 6, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0}]})";
constexpr char kBothFound[] = R"([
  {"image_id": 1, "category_id": 5, "bbox": [0, 0, 10, 10], "score": 0.9},
  {"image_id": 2, "category_id": 6, "bbox": [0, 0, 50, 50], "score": 0.8}])";
// The dog is taken for a cat.
constexpr char kOneFound[] = R"([
  {"image_id": 1, "category_id": 5, "bbox": [0, 0, 10, 10], "score": 0.9},
  {"image_id": 2, "category_id": 5, "bbox": [0, 0, 50, 50], "score": 0.8}])";

// A folder with the truth and both results.
class Files {
 public:
  Files() {
    add("truth.json", kTruth);
    add("both.json", kBothFound);
    add("one.json", kOneFound);
  }
  std::string add(const std::string& name, const std::string& text) {
    write_bytes(folder_ / name, text);
    return path(name);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  RunResult evaluate(const std::string& detections, std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"eval", "detections", "--annotations", path("truth.json"),
                                     "--detections", path(detections)});
    return run_assay(options);
  }
  json evaluate_json(const std::string& detections, std::vector<std::string> options = {}) const {
    options.insert(options.end(), {"--json", "-"});
    const RunResult run = evaluate(detections, options);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return json::parse(run.out, nullptr, false);
  }
  RunResult explain(std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"explain", path("one.json"), path("both.json"), "--annotations",
                                     path("truth.json"), "--quiet"});
    return run_assay(options);
  }

 private:
  TempDir folder_;
};

void expect_one_line(const RunResult& run, const std::string& path, const std::string& message) {
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, AllOf(StartsWith("assay: " + path + ": "), HasSubstr(message)));
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
}

TEST(EvalDetections, PrintsWhatPycocotoolsPrints) {
  const Files files;
  const RunResult run = files.evaluate("both.json");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out,
              HasSubstr(" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000\n"));
  EXPECT_THAT(
      run.out,
      HasSubstr(" Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000\n"));
}

TEST(EvalDetections, BootstrapGivesAnIntervalThatHoldsTheFigure) {
  const Files files;
  const json record = files.evaluate_json("one.json", {"--bootstrap", "50"});
  for (const char* figure : {"AP", "AP50", "AP75", "AP small"}) {
    const json& interval = record["intervals"][figure];
    EXPECT_LE(interval["low"], interval["high"]) << figure;
  }
  EXPECT_LE(record["intervals"]["AP"]["low"], record["AP"]);
  EXPECT_GE(record["intervals"]["AP"]["high"], record["AP"]);
}

TEST(EvalDetections, BootstrapGivesTheSameForOneSeed) {
  const Files files;
  const json first = files.evaluate_json("one.json", {"--bootstrap", "20", "--seed", "3"});
  EXPECT_EQ(first["intervals"],
            files.evaluate_json("one.json", {"--bootstrap", "20", "--seed", "3"})["intervals"]);
}

TEST(EvalDetections, ComparesWithASecondFile) {
  const Files files;
  const json record = files.evaluate_json("one.json", {"--compare", files.path("both.json")});
  const json& ap = record["comparison"]["AP"];
  EXPECT_EQ(ap["first"], record["AP"]);
  EXPECT_NEAR(ap["second"].get<double>(), 1, 1e-12);
  EXPECT_EQ(ap["difference"].get<double>(), ap["second"].get<double>() - ap["first"].get<double>());
  EXPECT_LE(ap["p_value"], 1);
}

TEST(EvalDetections, ErrorsAreCountedAndPricedByKind) {
  const Files files;
  const json errors = files.evaluate_json("one.json", {"--errors"})["errors"];
  EXPECT_EQ(errors["class"]["count"], 1);
  EXPECT_NEAR(errors["class"]["cost"].get<double>(), 1 - errors["AP50"].get<double>(), 1e-12);
  for (const char* kind : {"localization", "both", "duplicate", "background", "missed"})
    EXPECT_EQ(errors[kind]["count"], 0) << kind;
  EXPECT_EQ(errors["false_positives"]["count"], 1);
  EXPECT_EQ(errors["false_negatives"]["count"], 1);
}

TEST(EvalDetections, OwnLimitsAreasAndThresholdsTakeThePlaceOfCocos) {
  const Files files;
  const json record = files.evaluate_json(
      "one.json",
      {"--max-dets", "5,2", "--areas", "tiny:0:100,rest:100.5:1e10", "--iou-thresholds", "0.5,0.6"});
  EXPECT_NEAR(record["AP_tiny"].get<double>(), 1, 1e-12);
  EXPECT_EQ(record["AP_rest"], 0.0);
  EXPECT_EQ(record["AR5"], 0.5);
  EXPECT_EQ(record["AP75"], -1.0) << "0.75 is not among the thresholds";
  for (const char* key : {"APs", "AR1", "AR100"}) EXPECT_FALSE(record.contains(key)) << key;
}

TEST(EvalDetections, OptionsThatMakeNoSenseEndWith2) {
  const Files files;
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"--areas", "tiny"},           {"--areas", "tiny:5:1"},      {"--areas", ":0:5"},
      {"--areas", "a:0:1x"},         {"--iou-thresholds", "1.5"},  {"--iou-thresholds", "half"},
      {"--max-dets", "0"},           {"--max-dets", "many"},       {"--bootstrap", "1"},
      {"--iou-thresholds", "0.5,x"}, {"--max-dets", "1,10,100,x"}, {"--seed", "-"}};
  for (const auto& [option, value] : wrong) {
    const RunResult run = files.evaluate("one.json", {option, value});
    EXPECT_EQ(run.exit_code, 2) << option << " " << value;
    EXPECT_THAT(run.err, AllOf(StartsWith("assay: "), HasSubstr(option))) << option << " " << value;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
}

TEST(EvalDetections, AnEmptyListHasAveragePrecisionZeroAndAWarning) {
  Files files;
  files.add("empty.json", "[]");
  const RunResult run = files.evaluate("empty.json");
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, HasSubstr("maxDets=100 ] = 0.000\n"));
  EXPECT_THAT(run.err, AllOf(HasSubstr("warning: "), HasSubstr("empty.json: there are no detections")));
}

TEST(EvalDetections, QuietKeepsWarningsInTheRecordAlone) {
  Files files;
  files.add("empty.json", "[]");
  const RunResult run = files.evaluate("empty.json", {"--quiet", "--json", "-"});
  EXPECT_THAT(run.err, IsEmpty());
  EXPECT_EQ(json::parse(run.out, nullptr, false)["warnings"].size(), 1u);
}

TEST(EvalDetections, NamesTheResultFileAndTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"([{"image_id": 1, "category_id": 5, "bbox": [0, 0, 1, 1]}])", "detection 1: 'score' is missing"},
      {R"([{"image_id": 7, "category_id": 5, "bbox": [0, 0, 1, 1], "score": 1}])",
       "'image_id' 7 is not among"},
      {R"([{"image_id": "1", "category_id": 5, "bbox": [0, 0, 1, 1], "score": 1}])",
       "'image_id' \"1\" is not among"},
      {R"([{"image_id": 1, "category_id": 5, "bbox": [0, 0, 1], "score": 1}])", "detection 1: 'bbox'"},
      {std::string(kBothFound).substr(0, 100), "file truncated?"},
      {"", "is empty"},
      {kTruth, "expected '[', an array of results"}};
  for (const auto& [text, message] : cases) {
    Files files;
    files.add("bad.json", text);
    expect_one_line(files.evaluate("bad.json"), files.path("bad.json"), message);
    expect_one_line(files.evaluate("one.json", {"--compare", files.path("bad.json")}), files.path("bad.json"),
                    message);
  }
}

TEST(EvalDetections, NamesTheAnnotationFileAndTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"images": [{"id": 1}], "annotations": []})", "'categories' is missing"},
      {R"({"categories": [], "annotations": []})", "'images' is missing"},
      {R"({"images": [{"id": 1}, {"id": "a"}], "categories": [], "annotations": []})", "image ids"},
      {R"({"images": [{"id": 1}], "categories": [{"id": 5}],
           "annotations": [{"id": 9, "image_id": 1, "category_id": 5, "bbox": [0, 0, 1, 1], "iscrowd": 0}]})",
       "annotation 1 (id 9): 'area' is missing"},
      {std::string(kTruth).substr(0, 200), "file truncated?"},
      {kBothFound, "holds no JSON object"}};
  for (const auto& [text, message] : cases) {
    Files files;
    files.add("truth.json", text);
    expect_one_line(files.evaluate("one.json"), files.path("truth.json"), message);
  }
}

TEST(EvalDetections, IdsThatMatchNothingAreAWarning) {
  Files files;
  files.add("other.json", R"([{"image_id": 1, "category_id": 99, "bbox": [0, 0, 1, 1], "score": 1}])");
  const RunResult run = files.evaluate("other.json");
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.err, HasSubstr("other.json: 1 detection in a category that the annotations do not list"));
  std::string text = kTruth;
  for (std::size_t at; (at = text.find("\"image_id\": ")) != std::string::npos;)
    text.replace(at, 12, "\"image_id\":9");
  files.add("truth.json", text);
  EXPECT_THAT(files.evaluate("one.json").err, HasSubstr("truth.json: there is nothing to find"));
}

TEST(EvalDetections, NamesTheFileThatIsNotThere) {
  const Files files;
  expect_one_line(files.evaluate("nowhere.json"), files.path("nowhere.json"), "No such file");
}

TEST(Explain, NamesTheTruthThatOneFileAloneFinds) {
  const Files files;
  const RunResult run = files.explain();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out,
            "1 images differ, 1 do not\n"
            "image 2: 1 to find, false positives 1 in A, 0 in B\n"
            "  only B finds the dog at 0,0 50x50 (score 0.800); A has nothing there\n");
}

TEST(Explain, GivesEveryDifferenceInTheRecord) {
  const Files files;
  const json record = json::parse(files.explain({"--json", "-", "--top", "0"}).out, nullptr, false);
  EXPECT_EQ(record["same_images"], 1);
  ASSERT_EQ(record["images"].size(), 1u);
  const json& image = record["images"][0];
  EXPECT_EQ(image["image_id"], 2);
  EXPECT_EQ(image["only_second"][0]["category"], "dog");
  EXPECT_THAT(image["only_first"], IsEmpty());
  EXPECT_EQ(image["false_positives_first"], 1);
}

TEST(Explain, AnOverlapOfItsOwnDecidesWhatIsFound) {
  Files files;
  files.add("one.json", R"([{"image_id": 2, "category_id": 6, "bbox": [0, 0, 50, 40], "score": 0.8},
                            {"image_id": 1, "category_id": 5, "bbox": [0, 0, 10, 10], "score": 0.9}])");
  EXPECT_THAT(files.explain().out, StartsWith("0 images differ"));
  EXPECT_THAT(files.explain({"--iou", "0.9"}).out, HasSubstr("A's best overlap is 0.80"));
}

TEST(Explain, NamesTheFileAndTheFieldThatIsWrong) {
  Files files;
  files.add("both.json", R"([{"image_id": 1, "category_id": 5, "bbox": [0, 0, 1, 1]}])");
  expect_one_line(files.explain(), files.path("both.json"), "detection 1: 'score' is missing");
}

}  // namespace
}  // namespace assay
