#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "run_binary.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

json inspect(const fs::path& path) {
  const RunResult run = run_assay({"inspect", path.string(), "--json", "-"});
  EXPECT_EQ(run.exit_code, 0) << path << run.err;
  return json::parse(run.out, nullptr, false);
}

// The first safetensors header entry of `tensor`: where its bytes begin in the file.
std::size_t offset_of(const std::string& file, const std::string& tensor) {
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  const json header = json::parse(file.substr(8, header_bytes));
  return 8 + header_bytes + header.at(tensor).at("data_offsets").at(0).get<std::size_t>();
}

TEST(Inspect, UnderstandsEveryFamilyOfLanguageModels) {
  int families = 0;
  for (const auto& entry : fs::directory_iterator(golden("families"))) {
    if (!entry.is_directory()) continue;
    const json result = inspect(entry.path());
    ASSERT_TRUE(result.is_object()) << entry.path();
    EXPECT_EQ(result["runnable"], true) << entry.path() << result["obstacle"];
    EXPECT_GT(result["parameters"], 0) << entry.path();
    EXPECT_GT(result["embedding_parameters"], 0) << entry.path();
    EXPECT_LT(result["embedding_bytes"], result["tensor_bytes"]) << entry.path();
    ++families;
  }
  EXPECT_GT(families, 10);
}

TEST(Inspect, UnderstandsEveryGgufFile) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(golden("gguf"))) {
    if (entry.path().extension() != ".gguf") continue;
    const json result = inspect(entry.path());
    ASSERT_TRUE(result.is_object()) << entry.path();
    EXPECT_EQ(result["format"], "GGUF version 3") << entry.path();
    EXPECT_FALSE(result["tensors"].empty()) << entry.path();
    EXPECT_EQ(result["runnable"], true) << entry.path() << result["obstacle"];
    ++files;
  }
  EXPECT_GT(files, 5);
}

TEST(Inspect, ListsTheTensorsOfAGgufFileThatItCannotRun) {
  const json result = inspect(golden("formats/quantized.gguf"));
  ASSERT_TRUE(result.is_object());
  EXPECT_EQ(result["runnable"], false);
  EXPECT_FALSE(result["obstacle"].get<std::string>().empty());
  EXPECT_FALSE(result["tensors"].empty());
}

TEST(Inspect, CountsParametersAndBitsOfAPlainCheckpoint) {
  const json result = inspect(golden("families/llama-gqa"));
  std::uint64_t parameters = 0, bytes = 0;
  for (const auto& tensor : result["tensors"]) {
    std::uint64_t values = 1;
    for (const auto& size : tensor["shape"]) values *= size.get<std::uint64_t>();
    parameters += values;
    bytes += tensor["bytes"].get<std::uint64_t>();
  }
  EXPECT_EQ(result["parameters"], parameters);
  EXPECT_EQ(result["tensor_bytes"], bytes);
  EXPECT_EQ(result["bits_per_weight"], 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters));
}

TEST(Inspect, PrintsOnlyJsonWithADash) {
  const RunResult run = run_assay({"inspect", golden("families/gpt2").string(), "--check", "--json", "-"});
  EXPECT_EQ(run.exit_code, 0);
  const json result = json::parse(run.out, nullptr, false);
  ASSERT_TRUE(result.is_object()) << run.out;
  EXPECT_EQ(result["check"]["ok"], true);
  EXPECT_TRUE(result["environment"].is_object());
  EXPECT_THAT(result["command"].get<std::string>(), HasSubstr("assay inspect "));
  EXPECT_THAT(run.err, IsEmpty());
}

TEST(Inspect, WritesJsonToAFileAndTextToStandardOutput) {
  const TempDir folder;
  const RunResult run =
      run_assay({"inspect", golden("families/gpt2").string(), "--json", (folder / "out.json").string()});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, HasSubstr("GPT2LMHeadModel"));
  EXPECT_TRUE(json::parse(read_bytes(folder / "out.json"), nullptr, false).is_object());
}

TEST(Inspect, PrintsAsManyTensorsAsAsked) {
  const std::string path = golden("families/gpt2").string();
  EXPECT_THAT(run_assay({"inspect", path, "--tensors", "2"}).out, HasSubstr("more: --tensors all"));
  EXPECT_THAT(run_assay({"inspect", path, "--tensors", "all"}).out,
              testing::Not(HasSubstr("more: --tensors all")));
}

TEST(Inspect, NamesTheTensorThatHoldsNan) {
  const TempDir folder;
  fs::copy(golden("families/llama-mha"), folder.path(),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  const std::string tensor = "model.layers.1.mlp.down_proj.weight";
  std::string file = read_bytes(folder / "model.safetensors");
  const float nan = std::nanf("");
  std::memcpy(file.data() + offset_of(file, tensor) + 3 * sizeof nan, &nan, sizeof nan);
  write_bytes(folder / "model.safetensors", file);
  const RunResult run = run_assay({"inspect", folder.path().string(), "--check", "--tensors", "0"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, HasSubstr("not finite: " + tensor + ": 1 NaN, 0 infinite, the first at index 3"));
  EXPECT_THAT(run.err, HasSubstr(tensor));
  EXPECT_EQ(run_assay({"inspect", folder.path().string()}).exit_code, 0);
}

TEST(Inspect, DoesNotCountSavedMasksAsParameters) {
  const json result = inspect(golden("families/gpt2"));
  std::uint64_t masks = 0, values = 0;
  for (const auto& tensor : result["tensors"]) {
    values += tensor["bytes"].get<std::uint64_t>() / 4;
    if (tensor["name"].get<std::string>().ends_with(".attn.bias"))
      masks += tensor["bytes"].get<std::uint64_t>() / 4;
  }
  ASSERT_GT(masks, 0u);
  EXPECT_EQ(result["parameters"], values - masks);
}

}  // namespace
}  // namespace assay
