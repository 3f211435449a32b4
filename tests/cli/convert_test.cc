// assay convert, as a user meets it.
#include <nlohmann/json.hpp>

#include "run_binary.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

// A copy of a golden checkpoint.
fs::path checkpoint_in(const TempDir& folder, const std::string& name) {
  const fs::path to = folder / name;
  fs::create_directory(to);
  for (const char* file : {"config.json", "preprocessor_config.json", "model.safetensors"})
    write_bytes(to / file, read_bytes(golden("detr/" + name) / file));
  return to;
}

TEST(Convert, WritesAModelThatInspectReads) {
  const TempDir folder;
  const std::string out = (folder / "detr.tflite").string();
  const RunResult run = run_assay({"convert", checkpoint_in(folder, "detr-timm").string(), "-o", out,
                                   "--size", "64x96", "--padding", "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json record = json::parse(run.out, nullptr, false)["files"][0];
  EXPECT_EQ(record["height"], 64);
  EXPECT_EQ(record["width"], 96);
  EXPECT_EQ(record["padding"], true);
  EXPECT_EQ(record["file_bytes"], fs::file_size(out));
  const RunResult inspect = run_assay({"inspect", out, "--json", "-"});
  ASSERT_EQ(inspect.exit_code, 0) << inspect.err;
  EXPECT_THAT(inspect.out, HasSubstr("pixel_mask"));
}

TEST(Convert, NamesAFileThatIsCutOff) {
  const std::string whole = read_bytes(golden("detr/yolos/model.safetensors"));
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{7}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    const TempDir folder;
    const fs::path checkpoint = checkpoint_in(folder, "yolos"), out = folder / "out.tflite";
    write_bytes(checkpoint / "model.safetensors", whole.substr(0, bytes));
    const RunResult run = run_assay({"convert", checkpoint.string(), "-o", out.string(), "--size", "64x64"});
    EXPECT_EQ(run.exit_code, 1) << bytes;
    EXPECT_THAT(run.err, HasSubstr("model.safetensors")) << bytes;
    EXPECT_FALSE(fs::exists(out)) << bytes;
  }
}

TEST(Convert, NamesFolderAndTensorThatIsMissing) {
  const TempDir folder;
  const fs::path checkpoint = checkpoint_in(folder, "detr-timm"), out = folder / "out.tflite";
  json config = json::parse(read_bytes(checkpoint / "config.json"));
  config["encoder_layers"] = 3;
  write_bytes(checkpoint / "config.json", config.dump());
  const RunResult run = run_assay({"convert", checkpoint.string(), "-o", out.string(), "--size", "64x64"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr(checkpoint.string() + ": missing tensors: 'model.encoder.layers.2."));
  EXPECT_FALSE(fs::exists(out));
}

TEST(Convert, NamesASizeThatIsNone) {
  const TempDir folder;
  const std::string checkpoint = checkpoint_in(folder, "yolos").string();
  for (const char* size : {"64", "x64", "64x", "64x64x3", "0x64", "-1x64", "64X64", "99999999999x64"}) {
    const RunResult run = run_assay(
        {"convert", checkpoint, "-o", (folder / "out.tflite").string(), std::string("--size=") + size});
    EXPECT_EQ(run.exit_code, 1) << size;
    EXPECT_THAT(run.err, HasSubstr("size: '" + std::string(size) + "', expected height x width")) << size;
  }
}

TEST(Convert, RefusesPaddingForAModelWithoutAMask) {
  const TempDir folder;
  const RunResult run = run_assay({"convert", checkpoint_in(folder, "yolos").string(), "-o",
                                   (folder / "out.tflite").string(), "--size", "64x64", "--padding"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("padding: yolos"));
}

}  // namespace
}  // namespace assay
