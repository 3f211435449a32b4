#include "measure/throughput.h"

#include <chrono>
#include <thread>

#include "support/testing.h"

namespace assay::measure {
namespace {

TEST(ParseCpuTicks, AddsTheFieldsOfTheFirstLine) {
  const auto ticks =
      parse_cpu_ticks("cpu  10 20 30 400 50 6 7 8 999 999\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n");
  ASSERT_THAT(ticks, IsOk());
  EXPECT_EQ(ticks->total, 531u);
  EXPECT_EQ(ticks->busy, 81u);
}

TEST(ParseCpuTicks, SaysWhatIsMissing) {
  EXPECT_THAT(parse_cpu_ticks("cpu0 1 2 3 4 5 6 7 8\n"),
              FailsWith(ErrorCode::kUnsupported, "no line \"cpu\""));
  EXPECT_THAT(parse_cpu_ticks("cpu  1 2 3 4 5 6 7\n"), FailsWith(ErrorCode::kUnsupported, "8 numbers"));
  EXPECT_THAT(parse_cpu_ticks("cpu  1 2 3 x 5 6 7 8\n"), FailsWith(ErrorCode::kUnsupported, "8 numbers"));
}

TEST(OtherCpuShare, IsWhatWeDidNotUseOurselves) {
  const CpuTicks before{1000, 500};
  EXPECT_EQ(other_cpu_share(before, {1200, 600}, 60), 0.2);
  EXPECT_EQ(other_cpu_share(before, {1200, 600}, 100), 0);
  EXPECT_EQ(other_cpu_share(before, {1200, 700}, 0), 1);
}

TEST(OtherCpuShare, StaysAShareWhenOwnTicksAreRoundedUp) {
  EXPECT_EQ(other_cpu_share({1000, 500}, {1200, 600}, 103), 0);
}

TEST(OtherCpuShare, IsUnknownOverTooShortATimeOrWhenCountersFall) {
  EXPECT_FALSE(other_cpu_share({1000, 500}, {1000 + kMinTicks - 1, 510}, 0).has_value());
  EXPECT_TRUE(other_cpu_share({1000, 500}, {1000 + kMinTicks, 510}, 0).has_value());
  EXPECT_FALSE(other_cpu_share({1000, 500}, {1200, 490}, 0).has_value());
  EXPECT_FALSE(other_cpu_share({1000, 500}, {900, 600}, 0).has_value());
}

TEST(TimeRepetitions, RunsTheWarmUpButDoesNotCountIt) {
  int runs = 0;
  const auto record = time_repetitions(
      [&]() -> Status {
        ++runs;
        return {};
      },
      {.warmup = 2, .repetitions = 3});
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(runs, 5);
  EXPECT_EQ(record->seconds.size(), 3u);
  EXPECT_TRUE(record->stddev_seconds.has_value());
  EXPECT_FALSE(record->drift.has_value());
}

// Sleeps are never shorter than asked for, so these hold on a busy machine too.
TEST(TimeRepetitions, MeasuresAtLeastTheTimeThatPasses) {
  int runs = 0;
  const auto body = [&]() -> Status {
    std::this_thread::sleep_for(std::chrono::milliseconds(++runs <= 3 ? 2 : 200));
    return {};
  };
  const auto record = time_repetitions(body, {.warmup = 1, .repetitions = 4});
  ASSERT_THAT(record, IsOk());
  EXPECT_GE(record->seconds[0], 0.002);
  EXPECT_GE(record->seconds[3], 0.2);
  EXPECT_GE(record->mean_seconds, 0.101);
  EXPECT_GE(record->median_seconds, record->min_seconds);
  EXPECT_GT(record->drift.value(), 0);
}

TEST(TimeRepetitions, MarksARunNoisyExactlyWhenOthersUsedMoreThanTheLimit) {
  const auto body = []() -> Status {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    return {};
  };
  const auto record = time_repetitions(body, {.warmup = 0, .repetitions = 3});
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->noisy, record->other_cpu_share.value_or(0) > kNoisyShare);
}

TEST(TimeRepetitions, HasNoDeviationOfASingleRun) {
  const auto record = time_repetitions([]() -> Status { return {}; }, {.warmup = 0, .repetitions = 1});
  ASSERT_THAT(record, IsOk());
  EXPECT_FALSE(record->stddev_seconds.has_value());
}

TEST(TimeRepetitions, StopsAtTheFirstError) {
  int runs = 0;
  const auto body = [&]() -> Status {
    if (++runs == 3) return Error{ErrorCode::kInterrupted, "stopped"};
    return {};
  };
  EXPECT_THAT(time_repetitions(body, {.warmup = 1, .repetitions = 9}),
              FailsWith(ErrorCode::kInterrupted, "stopped"));
  EXPECT_EQ(runs, 3);
}

TEST(TimeRepetitions, RefusesCountsOutOfRange) {
  const auto body = []() -> Status { return {}; };
  EXPECT_THAT(time_repetitions(body, {.warmup = -1, .repetitions = 1}),
              FailsWith(ErrorCode::kInvalidArgument, "-1"));
  EXPECT_THAT(time_repetitions(body, {.warmup = 0, .repetitions = 0}),
              FailsWith(ErrorCode::kInvalidArgument, "repetitions 0"));
}

}  // namespace
}  // namespace assay::measure
