#include "flow/study/estimate.h"

#include "support/testing.h"

namespace assay {
namespace {

StudyTask task(const char* kind, int round, TaskCost cost) {
  return {{store::Task::kLlm, "m", "int8", kind, round, {}}, {}, cost};
}

class EstimateStudy : public testing::Test {
 protected:
  EstimateStudy() {
    auto opened = store::Store::open(folder_ / "study");
    EXPECT_THAT(opened, IsOk());
    store_.emplace(*std::move(opened));
  }
  void measured(const StudyTask& task, const char* finished) {
    ASSERT_THAT(store_->add({task.subject, {}, {}, "", "2026-01-01T00:00:00Z", finished}), IsOk());
  }
  TempDir folder_;
  std::optional<store::Store> store_;
};

TEST_F(EstimateStudy, SumsWhatIsNotMeasuredYet) {
  const std::vector<StudyTask> tasks{task("quantize", 0, {100, 5000, 70}), task("accuracy", 0, {50, 0, 90})};
  const auto estimate = estimate_study(tasks, *store_);
  ASSERT_THAT(estimate, IsOk());
  EXPECT_EQ(estimate->measurements, 2);
  EXPECT_EQ(estimate->seconds, 150);
  EXPECT_EQ(estimate->disk_bytes, 5000u);
  EXPECT_EQ(estimate->memory_bytes, 90u);
  EXPECT_EQ(estimate->calibrated_with, 0);
}

TEST_F(EstimateStudy, CorrectsAKindByWhatItTookBefore) {
  const std::vector<StudyTask> tasks{task("throughput", 0, {10, 0, 0}), task("throughput", 1, {10, 0, 0}),
                                     task("accuracy", 0, {7, 0, 0})};
  measured(tasks[0], "2026-01-01T00:00:30Z");
  const auto estimate = estimate_study(tasks, *store_);
  ASSERT_THAT(estimate, IsOk());
  EXPECT_EQ(estimate->measurements, 2);
  EXPECT_DOUBLE_EQ(estimate->seconds, 3 * 10 + 3 * 7) << "the other kind by the same factor";
  EXPECT_EQ(estimate->calibrated_with, 1);
}

TEST(SecondsBetween, ReadsTheTimesOfRecords) {
  EXPECT_EQ(seconds_between("2026-02-28T23:59:30Z", "2026-03-01T00:00:10Z"), 40);
  EXPECT_EQ(seconds_between("", "2026-03-01T00:00:10Z"), std::nullopt);
}

}  // namespace
}  // namespace assay
