#include "flow/study/compare_studies.h"

#include "support/testing.h"

namespace assay {
namespace {

using store::Json;
using store::Store;
using store::Task;

class CompareStudies : public testing::Test {
 protected:
  Store open(const char* name) {
    auto store = Store::open(folder_ / name);
    EXPECT_THAT(store, IsOk());
    return *std::move(store);
  }
  static void add(Store& store, Task task, const char* kind, int round, Json settings, Json figures) {
    const store::Measurement row{
        {task, "m", "int8", kind, round, std::move(settings)}, std::move(figures), {}, "", "", ""};
    ASSERT_THAT(store.add(row), IsOk());
  }
  static void add_rounds(Store& store, std::vector<double> seconds) {
    for (std::size_t round = 0; round < seconds.size(); ++round)
      add(store, Task::kDetector, "latency", static_cast<int>(round), {{"threads", 2}},
          {{"median_seconds", seconds[round]}});
  }
  static StudyDifference only(Store& a, Store& b) {
    const auto comparison = compare_studies(a, b);
    EXPECT_THAT(comparison, IsOk());
    EXPECT_EQ(comparison->differences.size(), 1u);
    return comparison->differences.at(0);
  }
  TempDir folder_;
};

TEST_F(CompareStudies, CallsTimesDifferentWhenTheirIntervalsAreApart) {
  Store a = open("a"), b = open("b");
  add_rounds(a, {1.0, 1.1, 1.05, 1.02, 1.08});
  add_rounds(b, {2.0, 2.1, 2.05, 2.02, 2.08});
  const StudyDifference difference = only(a, b);
  EXPECT_EQ(difference.figure, "latency, 2 threads");
  EXPECT_EQ(difference.verdict, Verdict::kHigher);
  EXPECT_EQ(difference.second, 2.05);
  EXPECT_EQ(only(b, a).verdict, Verdict::kLower);
}

TEST_F(CompareStudies, CallsTimesNoiseWhenTheirIntervalsMeet) {
  Store a = open("a"), b = open("b");
  add_rounds(a, {1.0, 1.3, 1.1, 1.05, 1.2});
  add_rounds(b, {1.1, 1.2, 1.15, 1.0, 1.3});
  EXPECT_EQ(only(a, b).verdict, Verdict::kNoise);
}

TEST_F(CompareStudies, PairsTheAnswersToTheSameExamples) {
  Store a = open("a"), b = open("b");
  const Json settings{{"data", "d"}};
  // 12 examples that only the first answered: p = 2 * 2^-12.
  add(a, Task::kLlm, "accuracy", 0, settings,
      {{"accuracy", 0.6},
       {"accuracy_stderr", 0.2},
       {"correct",
        "111111111111"
        "00000000"}});
  add(b, Task::kLlm, "accuracy", 0, settings,
      {{"accuracy", 0.0}, {"accuracy_stderr", 0.2}, {"correct", "00000000000000000000"}});
  const StudyDifference difference = only(a, b);
  EXPECT_EQ(difference.method, "McNemar");
  EXPECT_EQ(difference.verdict, Verdict::kLower);
  ASSERT_TRUE(difference.p_value.has_value());
  EXPECT_NEAR(*difference.p_value, 2.0 / 4096, 1e-9);
}

TEST_F(CompareStudies, TakesStandardErrorsWhereExamplesDiffer) {
  Store a = open("a"), b = open("b");
  add(a, Task::kLlm, "accuracy", 0, {{"data", "d"}},
      {{"accuracy", 0.5}, {"accuracy_stderr", 0.1}, {"correct", "10"}});
  add(b, Task::kLlm, "accuracy", 0, {{"data", "e"}},
      {{"accuracy", 0.6}, {"accuracy_stderr", 0.1}, {"correct", "11"}});
  const auto comparison = compare_studies(a, b);
  ASSERT_THAT(comparison, IsOk());
  EXPECT_EQ(comparison->differences.at(0).verdict, Verdict::kNoise);
  EXPECT_THAT(comparison->notes, testing::ElementsAre("m int8 accuracy: measured on other data"));
}

TEST_F(CompareStudies, ListsWhatOneOfThemLacks) {
  Store a = open("a"), b = open("b");
  add(a, Task::kDetector, "quantize", 0, {}, {{"output_bytes", 100}});
  add_rounds(b, {1.0});
  const auto comparison = compare_studies(a, b);
  ASSERT_THAT(comparison, IsOk());
  EXPECT_THAT(comparison->only_first, testing::ElementsAre("m int8 size"));
  EXPECT_THAT(comparison->only_second, testing::ElementsAre("m int8 latency, 2 threads"));
}

}  // namespace
}  // namespace assay
