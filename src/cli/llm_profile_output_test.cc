#include "cli/llm_profile_output.h"

#include "support/testing.h"

namespace assay::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

// 10 ms per token: Down takes 5 ms and reads 20 MB, rope 2.5 ms, and as much is overhead.
LlmBenchRow row(double meetings) {
  LlmProfile profile;
  profile.seconds = 0.01;
  profile.relative_time = 1.25;
  profile.operations = {{Operation::kRope, 0.0025, 0.25, 30, 0, 0, 0},
                        {Operation::kDown, 0.005, 0.5, 30, 15e6, 5e6, 40e6}};
  profile.rest_seconds = 0.0025;
  profile.rest_share = 0.25;
  profile.meetings = meetings;
  profile.meeting = {2e-6, 1e-6, 40};
  LlmBenchRow row;
  row.test = "tg8";
  row.threads = 2;
  row.bandwidth_bytes_per_second = 8e9;
  row.profile = profile;
  return row;
}

TEST(LlmProfileOutput, TellsSpeedsAndTheirShareOfTheBandwidth) {
  const auto json = profile_json(*row(500).profile, 8e9);
  EXPECT_TRUE(json["separate_run"]);
  EXPECT_EQ(json["operations"][1]["operation"], "down");
  EXPECT_DOUBLE_EQ(json["operations"][1]["bytes_per_second"], 4e9);
  EXPECT_DOUBLE_EQ(json["operations"][1]["multiply_adds_per_second"], 8e9);
  EXPECT_DOUBLE_EQ(json["operations"][1]["bandwidth_share"], 0.5);
  EXPECT_DOUBLE_EQ(json["thread_meeting_share"], 0.1);  // 500 of 2 us in 10 ms
  EXPECT_FALSE(profile_json(*row(500).profile, std::nullopt)["operations"][1].contains("bandwidth_share"));
}

TEST(LlmProfileOutput, SaysThatTheRunIsNoneOfTheTimedOnesAndHowMuchSlowerItWas) {
  const std::string text = profile_text(row(500));
  EXPECT_THAT(text, HasSubstr("tg8, 2 threads\n"));
  EXPECT_THAT(text, HasSubstr("One run of its own, which took 1.25 of the median of the timed runs"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "Threads meet 500 times per token; a meeting with nothing to do takes 2.00 us (median of 40"));
}

TEST(LlmProfileOutput, IsSilentOnMeetingsThatAreNotThere) {
  EXPECT_THAT(profile_text(row(0)), Not(HasSubstr("meet")));
}

}  // namespace
}  // namespace assay::cli
