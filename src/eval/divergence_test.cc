#include "eval/divergence.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "eval/closeness_testing.h"
#include "eval/token_score.h"
#include "support/testing.h"

namespace assay::eval {
namespace {

using Texts = std::vector<std::vector<PositionDivergence>>;

std::vector<float> random_logits(Rng& rng, std::size_t count, double spread) {
  std::vector<float> logits(count);
  for (auto& logit : logits) logit = static_cast<float>(spread * rng.normal());
  return logits;
}

TEST(ComparePosition, IsZeroForTheSameDistribution) {
  // Adding a constant to logits does not change their distribution; powers of two keep the sums exact.
  const std::vector<float> logits{1, -2, 0.5f, 4}, shifted{9, 6, 8.5f, 12};
  const auto result = compare_position(logits, shifted, 2);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->kl, 0);
  EXPECT_TRUE(result->same_top);
  EXPECT_EQ(result->log_prob, result->reference_log_prob);
}

TEST(ComparePosition, IsTheSumOfTheDefinition) {
  // p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2): KL = 1/2 ln 2 - 1/4 ln 2. Logits are rounded to float: 2^-24
  // relative.
  const std::vector<float> reference{std::log(2.0f), 0, 0}, model{0, 0, std::log(2.0f)};
  const auto result = compare_position(reference, model, 0);
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(result->kl, IsRelativelyClose(0.25 * std::log(2.0), 1e-6));
  EXPECT_THAT(result->reference_log_prob, IsRelativelyClose(std::log(0.5), 1e-6));
  EXPECT_THAT(result->log_prob, IsRelativelyClose(std::log(0.25), 1e-6));
  EXPECT_FALSE(result->same_top);
}

TEST(ComparePosition, IsNotSymmetricAndTakesTheReferenceAsWeights) {
  // Where the reference is sure, only its own token counts.
  const std::vector<float> sure{0, 200}, even{0, 0};
  const auto forward = compare_position(sure, even, 0), backward = compare_position(even, sure, 0);
  ASSERT_THAT(forward, IsOk());
  ASSERT_THAT(backward, IsOk());
  EXPECT_THAT(forward->kl, IsRelativelyClose(std::log(2.0), 1e-12));
  EXPECT_THAT(backward->kl, IsRelativelyClose(100 - std::log(2.0), 1e-12));
}

TEST(ComparePosition, GivesTheLogProbabilitiesOfScoreToken) {
  constexpr std::uint64_t kSeed = 3;
  Rng rng(kSeed);
  for (int i = 0; i < 20; ++i) {
    const auto reference = random_logits(rng, 500, 4), model = random_logits(rng, 500, 4);
    const auto target = static_cast<std::int64_t>(rng.below(500));
    const auto both = compare_position(reference, model, target);
    ASSERT_THAT(both, IsOk()) << "seed " << kSeed;
    EXPECT_DOUBLE_EQ(both->reference_log_prob, score_token(reference, target)->log_prob) << "seed " << kSeed;
    EXPECT_DOUBLE_EQ(both->log_prob, score_token(model, target)->log_prob) << "seed " << kSeed;
    EXPECT_GT(both->kl, 0) << "seed " << kSeed;
  }
}

TEST(ComparePosition, RefusesWhatHasNoDistribution) {
  const std::vector<float> good{0, 1}, bad{0, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THAT(compare_position(bad, good, 0),
              FailsWith(ErrorCode::kCorrupt, "the reference's logit of token 1"));
  EXPECT_THAT(compare_position(good, bad, 0), FailsWith(ErrorCode::kCorrupt, "the logit of token 1"));
  EXPECT_THAT(compare_position(good, std::vector<float>{1}, 0),
              FailsWith(ErrorCode::kInvalidArgument, "as many"));
  EXPECT_THAT(compare_position({}, {}, 0), FailsWith(ErrorCode::kInvalidArgument, "0 reference logits"));
  EXPECT_THAT(compare_position(good, good, 2), FailsWith(ErrorCode::kInvalidArgument, "target token is 2"));
}

TEST(EvaluateDivergence, TakesMeansOverPositionsAndErrorsOverTexts) {
  const Texts texts{{{0.1, -1, -1.5, true}, {0.3, -2, -2, false}}, {{0.8, -3, -4, true}}};
  const auto record = evaluate_divergence(texts);
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->texts, 2);
  EXPECT_EQ(record->positions, 3);
  EXPECT_DOUBLE_EQ(record->kl_mean, 0.4);
  // Deviations sum to -0.4 in the first text, to 0.4 in the second: sqrt(2 / 1 * 0.32) / 3.
  EXPECT_DOUBLE_EQ(*record->kl_stderr, 0.8 / 3);
  EXPECT_DOUBLE_EQ(record->kl_median, 0.3);
  EXPECT_DOUBLE_EQ(record->kl_percentile_99, 0.3 + 0.98 * 0.5);
  EXPECT_DOUBLE_EQ(record->kl_max, 0.8);
  EXPECT_DOUBLE_EQ(record->same_top, 2.0 / 3);
  EXPECT_DOUBLE_EQ(record->reference_perplexity, std::exp(2.0));
  EXPECT_DOUBLE_EQ(record->perplexity, std::exp(2.5));
  EXPECT_DOUBLE_EQ(record->log_perplexity_ratio, 0.5);
}

// numpy's figures of the same float32 logits. Sums of 101 products in double differ by less than 101 * 2^-52
// of the sum of their magnitudes, which cancellation in kl raises by less than ten times here.
TEST(EvaluateDivergence, IsWhatNumpyComputesFromTwoModelsLogits) {
  constexpr double kClose = 1e-12;
  const auto expected = nlohmann::json::parse(read_bytes(golden("eval/divergence.json")));
  Texts texts;
  for (const auto& text : expected["texts"]) {
    auto& positions = texts.emplace_back();
    for (std::size_t t = 0; t < text["targets"].size(); ++t) {
      const auto position = compare_position(text["reference"][t].get<std::vector<float>>(),
                                             text["logits"][t].get<std::vector<float>>(),
                                             text["targets"][t].get<std::int64_t>());
      ASSERT_THAT(position, IsOk());
      EXPECT_THAT(position->kl, IsRelativelyClose(text["kl"][t].get<double>(), kClose));
      positions.push_back(*position);
    }
  }
  const auto record = evaluate_divergence(texts);
  ASSERT_THAT(record, IsOk());
  const std::vector<std::pair<const char*, double>> figures{
      {"kl_mean", record->kl_mean},
      {"kl_stderr", record->kl_stderr.value_or(0)},
      {"kl_median", record->kl_median},
      {"kl_percentile_99", record->kl_percentile_99},
      {"kl_max", record->kl_max},
      {"same_top", record->same_top},
      {"same_top_stderr", record->same_top_stderr.value_or(0)},
      {"reference_perplexity", record->reference_perplexity},
      {"perplexity", record->perplexity},
      {"log_perplexity_ratio", record->log_perplexity_ratio},
      {"log_perplexity_ratio_stderr", record->log_perplexity_ratio_stderr.value_or(0)}};
  for (const auto& [name, figure] : figures)
    EXPECT_THAT(figure, IsRelativelyClose(expected[name].get<double>(), kClose)) << name;
}

TEST(EvaluateDivergence, KnowsNoErrorOfASingleText) {
  const auto record = evaluate_divergence(Texts{{{0.1, -1, -1, true}, {0.2, -1, -1, true}}});
  ASSERT_THAT(record, IsOk());
  EXPECT_FALSE(record->kl_stderr.has_value());
}

TEST(EvaluateDivergence, RefusesWhatIsNoDivergence) {
  EXPECT_THAT(evaluate_divergence({}), FailsWith(ErrorCode::kInvalidArgument, "no texts"));
  EXPECT_THAT(evaluate_divergence(Texts{{}}),
              FailsWith(ErrorCode::kInvalidArgument, "text 0 has no positions"));
  EXPECT_THAT(evaluate_divergence(Texts{{{-0.1, -1, -1, true}}}),
              FailsWith(ErrorCode::kInvalidArgument, "text 0"));
  EXPECT_THAT(evaluate_divergence(Texts{{{0.1, 1, -1, true}}}),
              FailsWith(ErrorCode::kInvalidArgument, "text 0"));
}

}  // namespace
}  // namespace assay::eval
