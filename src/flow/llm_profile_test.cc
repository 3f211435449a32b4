#include "flow/llm_profile.h"

#include <chrono>

#include "engine/load.h"
#include "flow/bench_llm.h"
#include "support/testing.h"

namespace assay {
namespace {

// An operation that took at least 10 ms.
OperationRecorder recorded_head() {
  OperationRecorder recorder;
  {
    OperationScope scope(&recorder, Operation::kHead);
    scope.count(600, 60, 6000);
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(10)) {
    }
  }
  return recorder;
}

TEST(LlmProfile, GivesEverythingPerTokenAndTheRestBesides) {
  const OperationRecorder recorder = recorded_head();
  const double head_seconds = recorder.of(Operation::kHead).seconds;
  const LlmProfile profile =
      make_llm_profile(recorder, 4 * head_seconds, 2 * head_seconds, 3, 30, {head_seconds / 100, 0, 1});
  ASSERT_EQ(profile.operations.size(), 1u);
  const OperationShare& head = profile.operations[0];
  EXPECT_EQ(head.operation, Operation::kHead);
  EXPECT_DOUBLE_EQ(head.share, 0.25);
  EXPECT_DOUBLE_EQ(head.weight_bytes, 200);
  EXPECT_DOUBLE_EQ(head.kv_bytes, 20);
  EXPECT_DOUBLE_EQ(head.multiply_adds, 2000);
  EXPECT_DOUBLE_EQ(head.bytes_per_second(), 660 / head_seconds);
  EXPECT_DOUBLE_EQ(profile.rest_share, 0.75);
  EXPECT_DOUBLE_EQ(profile.rest_seconds, head_seconds);
  EXPECT_DOUBLE_EQ(profile.relative_time, 2);
  EXPECT_DOUBLE_EQ(profile.meetings, 10);
  // 10 meetings of a hundredth of the head's time in 4 / 3 of that time.
  EXPECT_NEAR(profile.meeting_share(), 0.1 / (4.0 / 3), 1e-12);
}

class ProfiledBench : public testing::Test {
 protected:
  ProfiledBench() : model_(*load_model(golden("families/llama-mha"))) {}
  Result<LlmBench> bench(bool operators) {
    NoProgress progress;
    return bench_llm(model_,
                     {.prompt_tokens = 6,
                      .generated_tokens = 3,
                      .threads = {1, 2},
                      .repetitions = 1,
                      .operators = operators},
                     *runnable_kernels({}).front(), progress);
  }
  LanguageModel model_;
};

TEST_F(ProfiledBench, SharesAndRestAreTheWholeForEveryTest) {
  const auto result = bench(true);
  ASSERT_THAT(result, IsOk());
  for (const auto& row : result->rows) {
    SCOPED_TRACE(row.test);
    ASSERT_TRUE(row.profile.has_value());
    double shares = row.profile->rest_share;
    for (const auto& part : row.profile->operations) shares += part.share;
    EXPECT_NEAR(shares, 1, 1e-9);
    EXPECT_GE(row.profile->rest_share, 0);
    EXPECT_EQ(row.profile->meetings > 0, row.threads == 2);
  }
}

TEST_F(ProfiledBench, GenerationReadsTheModelsBytesPerToken) {
  const auto result = bench(true);
  ASSERT_THAT(result, IsOk());
  double bytes = 0;
  for (const auto& part : result->rows[1].profile->operations) bytes += part.weight_bytes;
  EXPECT_NEAR(bytes, static_cast<double>(result->size.read_per_token_bytes), 1e-6 * bytes);
}

TEST_F(ProfiledBench, LeavesOutTheMeetingsThatAreMeasuredApart) {
  const auto result = bench(true);
  ASSERT_THAT(result, IsOk());
  const LlmBenchRow& generation = result->rows[3];
  ASSERT_EQ(generation.threads, 2);
  // More than a few dozen operations per block and token would be those of the measurement.
  EXPECT_LT(generation.profile->meetings, 30 * static_cast<double>(model_.config.num_layers));
}

TEST_F(ProfiledBench, IsThereOnlyWhereItIsAskedFor) {
  const auto result = bench(false);
  ASSERT_THAT(result, IsOk());
  EXPECT_FALSE(result->rows[0].profile.has_value());
}

}  // namespace
}  // namespace assay
