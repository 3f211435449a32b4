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
  const auto outlook = look_ahead(tasks, *store_);
  ASSERT_THAT(outlook, IsOk());
  const StudyEstimate& estimate = outlook->estimate;
  EXPECT_EQ(estimate.measurements, 2);
  EXPECT_EQ(estimate.seconds, 150);
  EXPECT_EQ(estimate.disk_bytes, 5000u);
  EXPECT_EQ(estimate.memory_bytes, 90u);
  EXPECT_EQ(estimate.calibrated_with, 0);
}

TEST_F(EstimateStudy, LeavesOutWhatIsMeasuredAndLearnsFromIt) {
  const std::vector<StudyTask> tasks{task("throughput", 0, {10, 0, 0}), task("throughput", 1, {10, 0, 0})};
  measured(tasks[0], "2026-01-01T00:00:30Z");
  const auto outlook = look_ahead(tasks, *store_);
  ASSERT_THAT(outlook, IsOk());
  EXPECT_THAT(outlook->measured, testing::ElementsAre(true, false));
  EXPECT_EQ(outlook->estimate.measurements, 1);
  EXPECT_EQ(outlook->estimate.calibrated_with, 1);
  EXPECT_DOUBLE_EQ(outlook->estimate.seconds, outlook->pace.seconds(tasks[1]));
  EXPECT_GT(outlook->estimate.seconds, 20);
  EXPECT_LE(outlook->estimate.seconds, 30);
}

TEST(StudyPace, ComesToWhatAKindTookTheLongerItIsMeasured) {
  StudyPace pace;
  const StudyTask one = task("throughput", 0, {10, 0, 0});
  double last = pace.seconds(one);
  EXPECT_EQ(last, 10);
  for (int round = 0; round < 100; ++round) {
    pace.learn(one, 30);
    EXPECT_GT(pace.seconds(one), last);
    last = pace.seconds(one);
  }
  EXPECT_NEAR(last, 30, 0.5);
}

TEST(StudyPace, TakesTheOthersForAKindThatItDoesNotKnow) {
  StudyPace pace;
  pace.learn(task("throughput", 0, {1000, 0, 0}), 2000);
  EXPECT_NEAR(pace.seconds(task("accuracy", 0, {7, 0, 0})), 14, 0.1);
}

// The reference's file takes no time to make, whatever that of the others takes.
TEST(StudyPace, DoesNotExpectNothingOfAKindBecauseAShortOneTookNothing) {
  StudyPace pace;
  pace.learn(task("quantize", 0, {0.5, 0, 0}), 0);
  EXPECT_GT(pace.seconds(task("quantize", 0, {100, 0, 0})), 75);
}

TEST(SecondsBetween, ReadsTheTimesOfRecords) {
  EXPECT_EQ(seconds_between("2026-02-28T23:59:30Z", "2026-03-01T00:00:10Z"), 40);
  EXPECT_EQ(seconds_between("", "2026-03-01T00:00:10Z"), std::nullopt);
}

}  // namespace
}  // namespace assay
