// assay inspect and assay quantize of .tflite files, as a user meets them.
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "formats/tflite/model_testing.h"
#include "image/encode.h"
#include "run_binary.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

// A convolution with enough weights to be worth converting.
fs::path write_model(const TempDir& folder) {
  tflite::ModelBuilder b;
  const int x = b.input("x", {1, 4, 4, 64});
  std::vector<float> filter(32 * 64);
  for (std::size_t i = 0; i < filter.size(); ++i) filter[i] = static_cast<float>(i % 17) / 17 - 0.5f;
  const int w = b.weights("w", {32, 1, 1, 64}, filter);
  const int bias = b.weights("b", {32}, std::vector<float>(32, 0.1f));
  const int y = b.tensor("y", {1, 4, 4, 32});
  tflite::Operator& conv = b.add(tflite::Op::kConv2d, {x, w, bias}, {y}, "Conv2DOptions");
  conv.options.set_integer("stride_w", 1);
  conv.options.set_integer("stride_h", 1);
  b.output(y);
  b.sign();
  const fs::path path = folder / "model.tflite";
  write_bytes(path, std::string(as_text(*tflite::write(b.model()))));
  return path;
}

json run_json(std::vector<std::string> words) {
  words.insert(words.end(), {"--json", "-"});
  const RunResult run = run_assay(words);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  return json::parse(run.out, nullptr, false);
}

TEST(InspectTflite, ListsOperatorsTensorsAndSignatures) {
  const TempDir folder;
  const json result = run_json({"inspect", write_model(folder).string()});
  EXPECT_EQ(result["operators"]["CONV_2D"], 1);
  EXPECT_EQ(result["weight_type"], "float32");
  EXPECT_EQ(result["parameters"], 32 * 64 + 32);
  EXPECT_EQ(result["signatures"]["serving_default"]["outputs"]["y"], 3);
  EXPECT_EQ(result["subgraphs"][0]["tensors"][1]["shape"], json({32, 1, 1, 64}));
}

TEST(InspectTflite, NamesTheFileThatIsNone) {
  const TempDir folder;
  const fs::path path = folder / "broken.tflite";
  write_bytes(path, "this is no model");
  const RunResult run = run_assay({"inspect", path.string()});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("broken.tflite: the file identifier is not 'TFL3'"));
}

TEST(Tflite, EveryCommandRefusesATruncatedFileInOneLine) {
  const TempDir folder;
  const std::string whole = read_bytes(write_model(folder));
  const std::string path = (folder / "cut.tflite").string();
  for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{10}, std::size_t{40},
                                 whole.size() / 4, whole.size() / 2, whole.size() - 1}) {
    write_bytes(path, whole.substr(0, size));
    for (std::vector<std::string> words :
         {std::vector<std::string>{"inspect", path},
          {"quantize", path, "--to", "float16", "-o", (folder / "out").string()},
          {"bench", path},
          {"detect", path, "a.jpg"}}) {
      const RunResult run = run_assay(words);
      EXPECT_EQ(run.exit_code, 1) << words[0] << " of " << size << " bytes";
      EXPECT_THAT(run.err, StartsWith("assay: " + path + ": ")) << words[0] << " of " << size << " bytes";
      EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    }
  }
}

TEST(Tflite, FlippedBytesEndInAnErrorOrAResultButNotInACrash) {
  const TempDir folder;
  const std::string whole = read_bytes(write_model(folder));
  const std::string path = (folder / "flipped.tflite").string();
  const std::string picture = (folder / "a.png").string();
  write_bytes(picture, encode_png(Image(8, 8)).value());
  constexpr std::uint64_t kSeed = 11;
  Rng rng(kSeed);
  for (int round = 0; round < 25; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 12; ++i) bytes[rng.below(bytes.size())] = static_cast<char>(rng.next());
    write_bytes(path, bytes);
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"inspect", path},
          {"quantize", path, "--to", "float16", "-o", (folder / "out").string()},
          {"detect", path, picture}}) {
      const RunResult run = run_assay(words);
      EXPECT_LE(run.exit_code, 1) << words[0] << ", seed " << kSeed << ", round " << round << ": " << run.err;
    }
  }
}

TEST(QuantizeTflite, WritesEveryTypeThatCanBeReadAgain) {
  const TempDir folder;
  const std::string model = write_model(folder).string();
  const fs::path ranges = folder / "ranges.json";
  write_bytes(ranges, R"({"ranges": [{"tensor": 0, "name": "x", "min": -1, "max": 1},
                                     {"tensor": 3, "min": -9, "max": 9}]})");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"--to", "float16"}, "float16"},
      {{"--to", "int8"}, "int8"},
      {{"--to", "int8", "--int8", "weight-only"}, "int8"},
      {{"--to", "int8", "--int8", "static", "--ranges", ranges.string()}, "int8"}};
  for (const auto& [options, type] : cases) {
    const std::string out = (folder / (type + std::to_string(options.size()) + ".tflite")).string();
    std::vector<std::string> words{"quantize", model, "-o", out};
    words.insert(words.end(), options.begin(), options.end());
    const json report = run_json(words);
    EXPECT_EQ(report["output_bytes"], fs::file_size(out));
    const json inspected = run_json({"inspect", out});
    EXPECT_EQ(inspected["weight_type"], type) << testing::PrintToString(options);
    EXPECT_EQ(inspected["signatures"]["serving_default"]["outputs"].size(), 1u);
  }
}

TEST(QuantizeTflite, WarnsThatInt16HasNoFastKernels) {
  const TempDir folder;
  const std::string model = write_model(folder).string();
  const fs::path ranges = folder / "ranges.json";
  write_bytes(ranges, R"({"ranges": [{"tensor": 0, "name": "x", "min": -1, "max": 1, "means": [0.5]},
                                     {"tensor": 3, "min": -9, "max": 9}]})");
  const std::string out = (folder / "out.tflite").string();
  const RunResult run = run_assay({"quantize", model, "--to", "int8", "--int8", "int16x8", "--ranges",
                                   ranges.string(), "--no-speed-check", "-o", out});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("no fast kernels for int16"));
  EXPECT_EQ(run_json({"inspect", out})["operators"]["CONV_2D"], 1);
}

TEST(QuantizeTflite, NamesTheRangeThatDoesNotFit) {
  const TempDir folder;
  const std::string model = write_model(folder).string();
  const fs::path ranges = folder / "ranges.json";
  write_bytes(ranges, R"({"ranges": [{"tensor": 0, "name": "other", "min": -1, "max": 1}]})");
  const std::string out = (folder / "out.tflite").string();
  const RunResult run = run_assay(
      {"quantize", model, "--to", "int8", "--int8", "static", "--ranges", ranges.string(), "-o", out});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("ranges.json: ranges[0]: 'name'"));
  EXPECT_FALSE(fs::exists(out));
}

TEST(QuantizeTflite, DoesNotOverwriteItsInput) {
  const TempDir folder;
  const std::string model = write_model(folder).string();
  const RunResult run = run_assay({"quantize", model, "--to", "float16", "-o", model});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("is the model that is read"));
}

TEST(QuantizeTflite, RefusesTypesThatTheFormatLacks) {
  const RunResult run = run_assay({"quantize", "m.tflite", "--to", "int4", "-o", "x"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, StartsWith("assay: "));
}

TEST(QuantizeTflite, KeepsWhatMatchesAPatternInFloat) {
  const TempDir folder;
  const RunResult run = run_assay({"quantize", write_model(folder).string(), "--to", "int8", "--keep-float",
                                   "CONV_2D y$", "-o", (folder / "out.tflite").string()});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("kept in float"));
}

}  // namespace
}  // namespace assay
