#include "flow/evaluate_llm.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/load.h"
#include "flow/model_registry.h"
#include "support/testing.h"

namespace assay {
namespace {

// The default model, against what transformers computes with the same weights in float32. Both sum in float32 in different orders:
// a logit near 20 carries an error of a few units of 20 * 2^-23 = 2.4e-6 per layer's residual update; over 60 updates,
// adding like a random walk, about 2e-5, and a log-probability is a difference of such. kLogProbBound leaves a factor of ten;
// a wrong formula or a weight that is off by one step of its grid changes log-probabilities in the second digit.
constexpr double kLogProbBound = 2e-4;

class DefaultModel : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = resolve_model("smollm2-135m");
    if (!path) GTEST_SKIP() << path.error().message;
    auto model = load_model(*path);
    ASSERT_THAT(model, IsOk());
    model_ = std::move(*model);
    auto tokenizer = load_tokenizer(*path);
    ASSERT_THAT(tokenizer, IsOk());
    tokenizer_.emplace(std::move(*tokenizer));
    golden_ = nlohmann::json::parse(read_bytes(golden("smollm2/golden.json")));
  }

  static std::filesystem::path cloze(const std::string& name) { return golden("../../models/cloze/" + name); }

  ThreadPool pool_{2};
  KernelContext kernels_{&select_kernels(detect_cpu_features()), &pool_};
  LanguageModel model_;
  std::optional<Tokenizer> tokenizer_;
  nlohmann::json golden_;
  NoProgress progress_;
};

TEST_F(DefaultModel, HasThePerplexityOfTransformersToFourDigits) {
  PerplexityOptions options;
  options.context_length = golden_["context"];
  options.limit_tokens = golden_["tokens"];
  const auto run = run_perplexity(model_, *tokenizer_, read_bytes(cloze("calibration.txt")), options, kernels_, progress_);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->record.tokens, golden_["scored_tokens"].get<std::int64_t>());
  const double expected = golden_["perplexity"];
  EXPECT_NEAR(run->record.perplexity, expected, 0.5e-4 * expected);  // half a unit of the fourth digit
}

TEST_F(DefaultModel, ScoresClozePassagesAsTransformersDoes) {
  const auto data = eval::parse_cloze_examples(as_bytes(read_bytes(cloze("cloze.jsonl"))));
  ASSERT_THAT(data, IsOk());
  LambadaOptions options;
  options.limit = static_cast<std::int64_t>(golden_["passages"].size());
  const auto run = run_lambada(model_, *tokenizer_, *data, options, kernels_, progress_);
  ASSERT_THAT(run, IsOk());
  for (std::size_t i = 0; i < run->examples.size(); ++i) {
    double log_prob = 0;
    for (const auto& token : run->examples[i].tokens) log_prob += token.log_prob;
    const auto& expected = golden_["passages"][i];
    EXPECT_NEAR(log_prob, expected["log_prob"].get<double>(), kLogProbBound * static_cast<double>(run->examples[i].tokens.size())) << "passage " << i;
    EXPECT_EQ(eval::is_correct(run->examples[i]), expected["correct"].get<bool>()) << "passage " << i;
  }
}

TEST_F(DefaultModel, TokenizesAsHuggingFaceDoes) {
  const auto texts = nlohmann::json::parse(read_bytes(golden("tokenizers/texts.json")));
  const auto expected = nlohmann::json::parse(read_bytes(golden("tokenizers/smollm2.golden.json")));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto ids = tokenizer_->encode(texts[i].get<std::string>(), false);
    ASSERT_THAT(ids, IsOk()) << texts[i];
    EXPECT_EQ(*ids, expected["ids"][i].get<std::vector<std::int32_t>>()) << texts[i];
  }
}

TEST_F(DefaultModel, GivesTheSameScoresForAnyBatchSize) {
  const auto data = eval::parse_cloze_examples(as_bytes(read_bytes(cloze("cloze.jsonl"))));
  ASSERT_THAT(data, IsOk());
  LambadaOptions single, batched;
  single.limit = batched.limit = 6;
  single.batch_tokens = 1;
  const auto one_by_one = run_lambada(model_, *tokenizer_, *data, single, kernels_, progress_);
  const auto together = run_lambada(model_, *tokenizer_, *data, batched, kernels_, progress_);
  ASSERT_THAT(one_by_one, IsOk());
  ASSERT_THAT(together, IsOk());
  for (std::size_t i = 0; i < together->examples.size(); ++i) {
    for (std::size_t t = 0; t < together->examples[i].tokens.size(); ++t) {
      EXPECT_EQ(together->examples[i].tokens[t].rank, one_by_one->examples[i].tokens[t].rank);
      EXPECT_NEAR(together->examples[i].tokens[t].log_prob, one_by_one->examples[i].tokens[t].log_prob, kLogProbBound);
    }
  }
}

}  // namespace
}  // namespace assay
