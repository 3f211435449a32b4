// assay bench, detect and eval coco of .tflite files, as a user meets them.
#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "image/encode.h"
#include "run_binary.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

struct Data {
  std::string model, pictures, annotations;
};

// Nothing where this machine has not all of it, the LiteRT library included.
std::optional<Data> data_or_nothing() {
  const auto model = shared_data("models/yolox_nano/yolox_nano.tflite");
  const auto pictures = shared_data("coco/val2017");
  const auto annotations = shared_data("coco/instances_val2017_100.json");
  const bool has_library = std::getenv("ASSAY_LITERT") != nullptr || fs::exists(ASSAY_LITERT_BUILD_PATH);
  if (!model || !pictures || !annotations || !has_library) return std::nullopt;
  return Data{model->string(), pictures->string(), annotations->string()};
}

#define ASSAY_NEED_DATA(data)          \
  const auto data = data_or_nothing(); \
  if (!data) GTEST_SKIP() << "needs libLiteRt.so and ../shared"

TEST(BenchTflite, GivesTheKeysOfTheContract) {
  ASSAY_NEED_DATA(data);
  const RunResult run = run_assay({"bench", data->model, "--threads", "1", "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json record = json::parse(run.out, nullptr, false);
  for (const char* key : {"mean_s", "p50_s", "p90_s", "p99_s", "min_s"})
    EXPECT_GT(record.value(key, 0.0), 0) << key;
  EXPECT_EQ(record["threads"], 1);
  EXPECT_GE(record["runs"], 5);
  EXPECT_EQ(record["model_bytes"], 3917380);
  EXPECT_GT(record["peak_rss_bytes"], 3917380);
  EXPECT_LE(record["min_s"], record["p50_s"]);
  EXPECT_LE(record["p50_s"], record["p99_s"]);
}

TEST(BenchTflite, TellsWhichOperatorsXnnpackDidNotTakeTheSlowestFirst) {
  ASSAY_NEED_DATA(data);
  const RunResult run = run_assay({"bench", data->model, "--threads", "1", "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json operators = json::parse(run.out, nullptr, false)["operators"];
  EXPECT_EQ(operators["total"], 391);
  EXPECT_EQ(operators["xnnpack"], 380);
  ASSERT_EQ(operators["builtin"].size(), 11u);
  std::vector<std::string> labels;
  std::vector<double> seconds;
  for (const auto& op : operators["builtin"]) {
    labels.push_back(op.value("operator", ""));
    seconds.push_back(op.value("seconds", -1.0));
  }
  EXPECT_THAT(labels, testing::Contains(StartsWith("STRIDED_SLICE model/tf.strided_slice")));
  EXPECT_TRUE(std::is_sorted(seconds.begin(), seconds.end(), std::greater<>())) << run.out;
  EXPECT_GT(seconds.back(), 0);
  EXPECT_GT(operators["builtin_share"], 0);
  EXPECT_LT(operators["builtin_share"], 1);
}

TEST(QuantizeTflite, ComparesTheSpeedOfBothModelsUnlessToldNotTo) {
  ASSAY_NEED_DATA(data);
  const TempDir folder;
  std::vector<std::string> words{
      "quantize", data->model, "--to", "float16", "-o", (folder / "out.tflite").string(), "--json", "-"};
  const RunResult with = run_assay(words);
  ASSERT_EQ(with.exit_code, 0) << with.err;
  const json speed = json::parse(with.out, nullptr, false)["speed"];
  EXPECT_GE(speed["rounds"], 5);
  EXPECT_GT(speed["before_median_s"], 0);
  EXPECT_GT(speed["after_median_s"], 0);
  words.push_back("--no-speed-check");
  const RunResult without = run_assay(words);
  ASSERT_EQ(without.exit_code, 0) << without.err;
  EXPECT_TRUE(json::parse(without.out, nullptr, false)["speed"].is_null());
}

TEST(QuantizeTflite, SaysWhatABudgetNeeds) {
  ASSAY_NEED_DATA(data);
  const TempDir folder;
  const RunResult run = run_assay({"quantize", data->model, "--to", "int8", "--calibration", data->pictures,
                                   "--budget", "0.99", "-o", (folder / "out.tflite").string()});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("--budget is for static int8 and needs --annotations FILE"));
  EXPECT_FALSE(fs::exists(folder / "out.tflite"));
}

TEST(BenchTflite, SaysNothingOnStandardErrorWhenQuiet) {
  ASSAY_NEED_DATA(data);
  const RunResult run = run_assay({"bench", data->model, "--threads", "1", "--quiet"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.err, "");
}

TEST(BenchTflite, WithoutTheLibrarySaysWhatToDo) {
  ASSAY_NEED_DATA(data);
  const RunResult run = run_assay({"bench", data->model, "--threads", "1"},
                                  {.environment = {{"ASSAY_LITERT", "/nowhere/libLiteRt.so"}}});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("ASSAY_LITERT names /nowhere/libLiteRt.so, which is not a file"));
}

TEST(Detect, ListsAndDrawsWhatIsOnThePicture) {
  ASSAY_NEED_DATA(data);
  const TempDir folder;
  const RunResult run = run_assay({"detect", data->model, data->pictures + "/000000000785.jpg", "-o",
                                   (folder / "drawn").string(), "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json record = json::parse(run.out, nullptr, false);
  EXPECT_EQ(record["head"], "yolox");
  EXPECT_EQ(record["images"][0]["detections"][0]["category"], "person");
  EXPECT_EQ(record["images"][0]["detections"][0]["category_id"], 1);
  EXPECT_TRUE(fs::exists(folder / "drawn/000000000785.jpg"));
}

TEST(Detect, NamesThePictureThatIsBroken) {
  ASSAY_NEED_DATA(data);
  const TempDir folder;
  write_bytes(folder / "cut.jpg", read_bytes(data->pictures + "/000000000785.jpg").substr(0, 3000));
  const RunResult run = run_assay({"detect", data->model, (folder / "cut.jpg").string()});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("cut.jpg: "));
}

TEST(Detect, TakesPicturesOfEveryShape) {
  ASSAY_NEED_DATA(data);
  const TempDir folder;
  for (const auto& [width, height] : {std::pair{1, 1}, std::pair{20000, 1}, std::pair{3, 20000}}) {
    const auto path = folder / (std::to_string(width) + "x" + std::to_string(height) + ".png");
    write_bytes(path, encode_png(Image(width, height)).value());
    const RunResult run =
        run_assay({"detect", data->model, path.string(), "-o", (folder / "drawn").string()});
    EXPECT_EQ(run.exit_code, 0) << path << ": " << run.err;
  }
}

TEST(Detect, NamesTheFileThatIsNoPicture) {
  ASSAY_NEED_DATA(data);
  const TempDir folder;
  const std::string head = read_bytes(data->pictures + "/000000000785.jpg").substr(0, 700);
  std::string large = encode_png(Image(1, 1)).value();
  large[16] = 0x7f;  // the first byte of the width
  for (const auto& [name, bytes] :
       std::vector<std::pair<std::string, std::string>>{{"empty.jpg", ""},
                                                        {"text.jpg", "hello"},
                                                        {"noise.jpg", head + std::string(5000, 'x')},
                                                        {"large.png", large}}) {
    write_bytes(folder / name, bytes);
    const RunResult run = run_assay({"detect", data->model, (folder / name).string()});
    EXPECT_EQ(run.exit_code, 1) << name;
    EXPECT_THAT(run.err, StartsWith("assay: " + (folder / name).string() + ": "));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
}

TEST(Detect, RefusesAModelWhoseOutputsBelongToNoHead) {
  ASSAY_NEED_DATA(data);
  const RunResult run =
      run_assay({"detect", data->model, data->pictures + "/000000000785.jpg", "--head", "detr"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("yolox_nano.tflite: "));
  const RunResult unknown = run_assay({"detect", data->model, "x.jpg", "--head", "yolo99"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("yolo99"));
}

TEST(EvalCoco, GivesTheKeysOfTheContractAndAResultFile) {
  ASSAY_NEED_DATA(data);
  const TempDir folder;
  const std::string found = (folder / "found.json").string();
  const RunResult run =
      run_assay({"eval", "coco", data->model, "--images", data->pictures, "--annotations", data->annotations,
                 "--limit", "3", "--bootstrap", "10", "--detections", found, "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json record = json::parse(run.out, nullptr, false);
  for (const char* key :
       {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"})
    EXPECT_TRUE(record[key].is_number()) << key;
  EXPECT_EQ(record["images"], 3);
  EXPECT_EQ(record["per_category"].size(), 80u);
  const json detections = json::parse(read_bytes(found), nullptr, false);
  ASSERT_TRUE(detections.is_array());
  EXPECT_EQ(detections.size(), record["detections"].get<std::size_t>());
}

TEST(EvalCoco, NamesTheFolderThatLacksThePictures) {
  ASSAY_NEED_DATA(data);
  const TempDir folder;
  const auto evaluate = [&](const std::string& pictures) {
    return run_assay({"eval", "coco", data->model, "--images", pictures, "--annotations", data->annotations});
  };
  const RunResult empty = evaluate(folder.path().string());
  EXPECT_EQ(empty.exit_code, 1);
  EXPECT_THAT(empty.err, StartsWith("assay: " + folder.path().string() + ": 100 of the 100 pictures"));
  const RunResult nowhere = evaluate((folder / "nowhere").string());
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("nowhere: is not a folder"));
}

TEST(EvalCoco, NamesTheAnnotationFileAndTheFieldThatIsWrong) {
  ASSAY_NEED_DATA(data);
  const std::string image = R"({"images": [{"id": 1, "file_name": "000000000785.jpg"}], )";
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {image + R"("annotations": []})", "'categories' is missing"},
           {image + R"("annotations": [], "cat)", "file truncated?"},
           {R"({"images": [{"id": 1}], "annotations": [], "categories": []})", "\"file_name\" is missing"},
           {R"({"images": [], "annotations": [], "categories": []})", "lists no images"}}) {
    const TempDir folder;
    write_bytes(folder / "gt.json", text);
    const RunResult run = run_assay({"eval", "coco", data->model, "--images", data->pictures, "--annotations",
                                     (folder / "gt.json").string()});
    EXPECT_EQ(run.exit_code, 1) << message;
    EXPECT_THAT(run.err,
                AllOf(StartsWith("assay: " + (folder / "gt.json").string() + ": "), HasSubstr(message)));
  }
}

TEST(QuantizeTflite, CalibratesOnAFolderOfPictures) {
  ASSAY_NEED_DATA(data);
  const TempDir folder;
  const std::string out = (folder / "int8.tflite").string();
  const RunResult run = run_assay({"quantize", data->model, "--to", "int8", "--calibration", data->pictures,
                                   "--samples", "2", "-o", out, "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json record = json::parse(run.out, nullptr, false);
  EXPECT_EQ(record["method"], "int8 static");
  EXPECT_EQ(record["calibration_pictures"], 2);
  EXPECT_LT(fs::file_size(out), 1'600'000u);
}

}  // namespace
}  // namespace assay
