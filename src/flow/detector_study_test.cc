#include "flow/detector_study.h"

#include "flow/model_registry.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct Fetched {
  fs::path model;
  DetectorStudyOptions options;
};

// Nothing where the runtime, the model or the pictures have not been fetched.
std::optional<Fetched> fetched() {
  const auto model = resolve_model("blazeface-short");
  const auto folder = models_folder();
  if (!model || !folder || !fs::exists(*folder / "faces" / "annotations.json") || !litert::find_library())
    return std::nullopt;
  Fetched found{*model, {}};
  found.options.pictures = *folder / "faces" / "evaluation";
  found.options.annotations = *folder / "faces" / "annotations.json";
  found.options.calibration = *folder / "faces" / "calibration";
  found.options.resamples = 50;
  found.options.timing = {.threads = {1}, .rounds = 2, .seconds_per_turn = 0};
  return found;
}

#define ASSAY_NEED_FACES(name) \
  const auto name = fetched(); \
  if (!name) GTEST_SKIP() << "needs libLiteRt.so, and blazeface-short and faces fetched"

Result<DetectorStudy> run(const Fetched& given, const fs::path& folder, std::vector<std::string>* announced) {
  ThreadPool pool(1);
  NoProgress progress;
  return run_detector_study(
      given.model, folder, given.options, [&](const std::string& stage) { announced->push_back(stage); },
      pool, progress);
}

TEST(DetectorStudy, MeasuresEveryVariantAndTakesWhatIsStoredTheSecondTime) {
  ASSAY_NEED_FACES(given);
  const TempDir folder;
  std::vector<std::string> first_stages, second_stages;
  const auto first = run(*given, folder.path(), &first_stages);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first_stages,
            (std::vector<std::string>{"float32", "float16", "int8-static", "int8-dynamic", "timing"}));
  EXPECT_FALSE(first->resumed);
  const auto second = run(*given, folder.path(), &second_stages);
  ASSERT_THAT(second, IsOk());
  EXPECT_TRUE(second_stages.empty());
  EXPECT_TRUE(second->resumed);
  ASSERT_EQ(first->rows.size(), second->rows.size());
  for (std::size_t i = 0; i < first->rows.size(); ++i) {
    const DetectorStudyRow& before = first->rows[i];
    const DetectorStudyRow& after = second->rows[i];
    EXPECT_EQ(before.variant, after.variant);
    EXPECT_EQ(before.bytes, after.bytes);
    EXPECT_EQ(before.record.ap, after.record.ap);
    EXPECT_EQ(before.intervals.ap.low, after.intervals.ap.low);
    ASSERT_EQ(after.times.size(), 1u);
    EXPECT_EQ(before.times[0].median_seconds, after.times[0].median_seconds);
  }
  EXPECT_TRUE(first->rows[0].dequantized);
  // The source holds float16 values, which both hold in full.
  EXPECT_EQ(first->rows[0].record.ap, first->rows[1].record.ap);
  EXPECT_LT(first->rows[1].bytes, first->rows[0].bytes);
}

TEST(DetectorStudy, MeasuresAgainOnlyWhatIsMissing) {
  ASSAY_NEED_FACES(given);
  const TempDir folder;
  std::vector<std::string> stages;
  ASSERT_THAT(run(*given, folder.path(), &stages), IsOk());
  fs::remove(folder.path() / "float16.json");
  stages.clear();
  ASSERT_THAT(run(*given, folder.path(), &stages), IsOk());
  EXPECT_EQ(stages, (std::vector<std::string>{"float16", "timing"}));
}

TEST(DetectorStudy, RefusesToCalibrateOnThePicturesItEvaluatesOn) {
  ASSAY_NEED_FACES(found);
  Fetched given = *found;
  given.options.calibration = given.options.pictures;
  const TempDir folder;
  std::vector<std::string> stages;
  EXPECT_THAT(run(given, folder.path(), &stages),
              FailsWith(ErrorCode::kInvalidArgument, "is also one of the pictures to evaluate on"));
  EXPECT_TRUE(stages.empty());
}

TEST(TimeInRounds, RefusesOneRoundAndNoThreads) {
  NoProgress progress;
  const auto refused = [&](RoundOptions options) { return time_in_rounds({}, nullptr, options, progress); };
  EXPECT_THAT(refused({.rounds = 1}), FailsWith(ErrorCode::kInvalidArgument, "at least 2"));
  EXPECT_THAT(refused({.threads = {0}}), FailsWith(ErrorCode::kInvalidArgument, "at least 1 thread"));
}

}  // namespace
}  // namespace assay
