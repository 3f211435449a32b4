#include "engine/sampler.h"

#include <cmath>
#include <limits>
#include <map>

#include "support/testing.h"

namespace assay {
namespace {

constexpr int kDraws = 4000;

std::map<std::int32_t, int> draw(const SamplingOptions& options, std::span<const float> logits) {
  auto sampler = Sampler::create(options);
  EXPECT_THAT(sampler, IsOk());
  std::map<std::int32_t, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[*sampler->sample(logits)];
  return counts;
}

TEST(Sampler, TakesTheFirstLargestLogitAtTemperatureZero) {
  auto sampler = Sampler::create({});
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
  auto sampler = Sampler::create({});
  ASSERT_THAT(sampler, IsOk());
  EXPECT_THAT(sampler->sample(std::vector<float>{0, std::nanf(""), 1}),
              FailsWith(ErrorCode::kCorrupt, "token 1"));
  EXPECT_THAT(sampler->sample(std::vector<float>{std::numeric_limits<float>::infinity()}),
              FailsWith(ErrorCode::kCorrupt, "token 0"));
  EXPECT_THAT(sampler->sample({}), FailsWith(ErrorCode::kInvalidArgument, "no logits"));
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  EXPECT_THAT(Sampler::create({.temperature = -1}), FailsWith(ErrorCode::kInvalidArgument, "temperature"));
  EXPECT_THAT(Sampler::create({.temperature = std::nan("")}),
              FailsWith(ErrorCode::kInvalidArgument, "temperature"));
  EXPECT_THAT(Sampler::create({.top_k = -1}), FailsWith(ErrorCode::kInvalidArgument, "top_k"));
  EXPECT_THAT(Sampler::create({.top_p = 0}), FailsWith(ErrorCode::kInvalidArgument, "top_p"));
}

}  // namespace
}  // namespace assay
