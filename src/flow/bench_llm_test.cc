#include "flow/bench_llm.h"

#include "engine/load.h"
#include "support/testing.h"

namespace assay {
namespace {

using testing::ElementsAre;

class BenchLlm : public testing::Test {
 protected:
  BenchLlm() : model_(*load_model(golden("families/llama-mha"))) {}
  Result<LlmBench> bench(const LlmBenchOptions& options) {
    NoProgress progress;
    return bench_llm(model_, options, *runnable_kernels({}).front(), progress);
  }
  LanguageModel model_;
};

TEST_F(BenchLlm, GivesARowPerTestAndNumberOfThreads) {
  const auto result = bench({.prompt_tokens = 6, .generated_tokens = 3, .threads = {1, 2}, .repetitions = 4});
  ASSERT_THAT(result, IsOk());
  std::vector<std::string> tests;
  for (const auto& row : result->rows) tests.push_back(row.test + " " + std::to_string(row.threads));
  EXPECT_THAT(tests, ElementsAre("pp6 1", "tg3 1", "pp6 2", "tg3 2"));
  for (const auto& row : result->rows) {
    EXPECT_EQ(row.timing.seconds.size(), 4u);
    EXPECT_TRUE(row.timing.drift.has_value());
    EXPECT_GT(row.tokens_per_second, 0);
    EXPECT_LE(row.timing.min_seconds, row.timing.median_seconds);
  }
}

TEST_F(BenchLlm, CountsTheWeightsOfGenerationOnly) {
  const auto result = bench({.prompt_tokens = 6, .generated_tokens = 3, .threads = {1}, .repetitions = 1});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->rows[0].weight_bytes_per_second, 0);
  EXPECT_EQ(result->rows[1].weight_bytes_per_second,
            static_cast<double>(result->size.read_per_token_bytes) * result->rows[1].tokens_per_second);
  EXPECT_FALSE(result->rows[0].stddev.has_value());
}

TEST_F(BenchLlm, LeavesOutATestOfNoTokens) {
  const auto result = bench({.prompt_tokens = 6, .generated_tokens = 0, .threads = {1}, .repetitions = 1});
  ASSERT_THAT(result, IsOk());
  ASSERT_EQ(result->rows.size(), 1u);
  EXPECT_EQ(result->rows[0].test, "pp6");
  EXPECT_FALSE(result->joules_per_token.has_value());
  EXPECT_FALSE(result->energy_note.empty());
}

TEST_F(BenchLlm, RefusesOptionsOutOfRange) {
  const auto code = ErrorCode::kInvalidArgument;
  EXPECT_THAT(bench({.prompt_tokens = -1}), FailsWith(code, "prompt_tokens"));
  EXPECT_THAT(bench({.prompt_tokens = 1, .generated_tokens = 1 << 20}), FailsWith(code, "generated_tokens"));
  EXPECT_THAT(bench({.prompt_tokens = 0, .generated_tokens = 0}), FailsWith(code, "nothing to measure"));
  EXPECT_THAT(bench({.prompt_tokens = 1, .generated_tokens = 1, .repetitions = 0}),
              FailsWith(code, "repetitions"));
  EXPECT_THAT(bench({.prompt_tokens = 1, .generated_tokens = 1, .threads = {0}}), FailsWith(code, "threads"));
}

}  // namespace
}  // namespace assay
