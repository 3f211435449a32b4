#include "engine/sampler.h"

#include <cmath>
#include <limits>
#include <map>

#include "kernels/kernels.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr int kDraws = 4000;

Result<Sampler> create(const SamplingOptions& options) {
  return Sampler::create(options, select_kernels(detect_cpu_features()));
}

std::map<std::int32_t, int> draw(const SamplingOptions& options, std::span<const float> logits) {
  auto sampler = create(options);
  EXPECT_THAT(sampler, IsOk());
  std::map<std::int32_t, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[*sampler->sample(logits)];
  return counts;
}

TEST(Sampler, TakesTheFirstLargestLogitAtTemperatureZero) {
  auto sampler = create({});
  ASSERT_THAT(sampler, IsOk());
  EXPECT_EQ(*sampler->sample(std::vector<float>{1, 3, 3, 2}), 1);
}

TEST(Sampler, DrawsTokensAsOftenAsTheirProbabilitiesSay) {
  // Probabilities 0.5, 0.25, 0.25. The share of n draws has standard deviation sqrt(p (1 - p) / n); five of
  // them fail once in 1.7 million seeds.
  const std::vector<float> logits{std::log(2.0f), 0, 0};
  const auto counts = draw({.temperature = 1, .seed = 7}, logits);
  for (const auto& [id, p] : std::map<int, double>{{0, 0.5}, {1, 0.25}, {2, 0.25}}) {
    EXPECT_NEAR(counts.at(id), p * kDraws, 5 * std::sqrt(p * (1 - p) * kDraws))
        << "token " << id << ", seed 7";
  }
}

TEST(Sampler, NeverDrawsATokenWhoseProbabilityVanishes) {
  const auto counts = draw({.temperature = 0.01, .seed = 7}, std::vector<float>{0, -80, 0, -80});
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(0) && counts.contains(2));
}

TEST(Sampler, TakesTheLargestLogitHoweverSmallTheTemperature) {
  const auto counts = draw({.temperature = 1e-300, .seed = 7}, std::vector<float>{-3e7f, 1, 1.0001f, 0});
  EXPECT_EQ(counts.size(), 1u);
  EXPECT_TRUE(counts.contains(2));
}

TEST(Sampler, DrawsFromALargeVocabularyAsOftenAsProbabilitiesSay) {
  // Half of the mass lies on the last token, the rest on 99,999 others alike.
  std::vector<float> logits(100'000, 0.0f);
  logits.back() = std::log(99'999.0f);
  const auto counts = draw({.temperature = 1, .seed = 7}, logits);
  EXPECT_NEAR(counts.at(99'999), 0.5 * kDraws, 5 * std::sqrt(0.25 * kDraws)) << "seed 7";
}

TEST(Sampler, NeverLeavesTheKMostLikely) {
  const auto counts = draw({.temperature = 5, .top_k = 2, .seed = 1}, std::vector<float>{0, 3, 1, 2});
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
}

TEST(Sampler, KeepsTheFewestTokensThatReachTopP) {
  // Probabilities 0.5, 0.25, 0.25: 0.6 needs two, and of the equal ones the smaller id counts as more likely.
  const auto counts =
      draw({.temperature = 1, .top_p = 0.6, .seed = 1}, std::vector<float>{0, 0, std::log(2.0f)});
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(0) && counts.contains(2));
}

TEST(Sampler, ATinyTopPLeavesTheMostLikelyToken) {
  const auto counts = draw({.temperature = 1, .top_p = 1e-9, .seed = 1}, std::vector<float>{0, 1, 0.5f});
  EXPECT_EQ(counts.size(), 1u);
  EXPECT_TRUE(counts.contains(1));
}

TEST(Sampler, GivesTheSameTokensForTheSameSeed) {
  const std::vector<float> logits(50, 0.0f);
  EXPECT_EQ(draw({.temperature = 1, .seed = 3}, logits), draw({.temperature = 1, .seed = 3}, logits));
  EXPECT_NE(draw({.temperature = 1, .seed = 3}, logits), draw({.temperature = 1, .seed = 4}, logits));
}

TEST(Sampler, RefusesLogitsThatAreNotFinite) {
  auto sampler = create({});
  ASSERT_THAT(sampler, IsOk());
  EXPECT_THAT(sampler->sample(std::vector<float>{0, std::nanf(""), 1}),
              FailsWith(ErrorCode::kCorrupt, "token 1"));
  EXPECT_THAT(sampler->sample(std::vector<float>{std::numeric_limits<float>::infinity()}),
              FailsWith(ErrorCode::kCorrupt, "token 0"));
  EXPECT_THAT(sampler->sample({}), FailsWith(ErrorCode::kInvalidArgument, "no logits"));
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  EXPECT_THAT(create({.temperature = -1}), FailsWith(ErrorCode::kInvalidArgument, "temperature"));
  EXPECT_THAT(create({.temperature = std::nan("")}), FailsWith(ErrorCode::kInvalidArgument, "temperature"));
  EXPECT_THAT(create({.top_k = -1}), FailsWith(ErrorCode::kInvalidArgument, "top_k"));
  EXPECT_THAT(create({.top_p = 0}), FailsWith(ErrorCode::kInvalidArgument, "top_p"));
}

}  // namespace
}  // namespace assay
