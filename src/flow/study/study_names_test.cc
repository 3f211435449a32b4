#include "flow/study/study_names.h"

#include <algorithm>
#include <cstdlib>

#include "flow/study/study_yaml.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class StudyNames : public testing::Test {
 protected:
  StudyNames() {
    setenv("ASSAY_MODELS_DIR", (folder_ / "models").c_str(), 1);
    setenv("HF_HUB_CACHE", (folder_ / "hub").c_str(), 1);
  }
  ~StudyNames() override {
    unsetenv("ASSAY_MODELS_DIR");
    unsetenv("HF_HUB_CACHE");
  }
  std::vector<std::string> missing(const StudySpec& spec) {
    std::vector<std::string> names;
    const auto items = missing_names(spec);
    if (!items) return {items.error().message};
    for (const auto& item : *items) names.push_back(item.name);
    return names;
  }
  TempDir folder_;
};

TEST_F(StudyNames, AreEachToldOnceInTheOrderOfTheStudy) {
  StudySpec spec;
  spec.detectors.resize(2);
  spec.detectors[0].model = spec.detectors[1].model = "yolox-nano";
  spec.detectors[0].data_set = spec.detectors[1].data_set = "coco-val2017";
  spec.detectors[0].calibration_set = "coco-train64";
  spec.llms.resize(1);
  spec.llms[0].model = "hf:owner/model";
  spec.llms[0].data_set = "lambada";
  EXPECT_THAT(missing(spec), ElementsAre("yolox-nano", "coco-val2017", "coco-annotations", "coco-train64",
                                         "hf:owner/model", "lambada"));
}

TEST_F(StudyNames, AreNotMissedWhenTheyAreThere) {
  StudySpec spec;
  spec.detectors.resize(1);
  spec.detectors[0].model = "yolox-nano";
  const fs::path path = catalog_item("yolox-nano")->path;
  fs::create_directories(path.parent_path());
  write_bytes(path, "x");
  EXPECT_THAT(missing(spec), IsEmpty());
}

TEST_F(StudyNames, AreNoPaths) {
  StudySpec spec;
  spec.llms.resize(1);
  spec.llms[0].model = "/no/such/folder";
  EXPECT_THAT(missing(spec), IsEmpty());
}

// The studies that the program comes with.
class ShippedStudies : public testing::TestWithParam<fs::path> {};

TEST_P(ShippedStudies, ParseWithoutProblemsAndUseKnownNames) {
  const ParsedStudy parsed = parse_study(read_bytes(GetParam()), GetParam().parent_path());
  EXPECT_THAT(parsed.problems, IsEmpty()) << problems_text(GetParam().string(), parsed.problems);
  for (const auto& detector : parsed.spec.detectors) {
    EXPECT_THAT(catalog_item(detector.model), IsOk());
    const auto data = picture_set(detector.data_set);
    ASSERT_THAT(data, IsOk());
    EXPECT_FALSE(data->annotations.empty());
    const auto calibration = picture_set(detector.calibration_set);
    ASSERT_THAT(calibration, IsOk());
    EXPECT_FALSE(calibration->calibration.empty());
  }
  for (const auto& llm : parsed.spec.llms) {
    EXPECT_THAT(catalog_item(llm.model), IsOk());
    if (llm.data_set.empty()) continue;
    EXPECT_THAT(catalog_item(llm.data_set), IsOk());
  }
}

std::vector<fs::path> shipped() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(ASSAY_STUDIES_DIR)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

INSTANTIATE_TEST_SUITE_P(Files, ShippedStudies, testing::ValuesIn(shipped()),
                         [](const auto& study) { return study.param.stem().string(); });

}  // namespace
}  // namespace assay
