#include "eval/token_score.h"

#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "eval/closeness_testing.h"
#include "support/testing.h"

namespace assay::eval {
namespace {

constexpr double kEpsilon = 0x1p-52;

TEST(ScoreToken, GivesTheLogOfTheSoftmax) {
  // exp(0) : exp(ln 3) = 1 : 3; float ln 3 is off by at most 2^-24 * ln 3.
  const std::vector<float> logits = {0.0f, std::log(3.0f)};
  EXPECT_NEAR(score_token(logits, 0)->log_prob, std::log(0.25), 0x1p-23);
  EXPECT_NEAR(score_token(logits, 1)->log_prob, std::log(0.75), 0x1p-23);
}

TEST(ScoreToken, OrdersTiesByTokenId) {
  const std::vector<float> logits = {1, 5, 5, 2, 5};
  const std::vector<std::int64_t> ranks = {4, 0, 1, 3, 2};
  for (std::int64_t token = 0; token < 5; ++token) {
    const auto score = score_token(logits, token);
    ASSERT_THAT(score, IsOk());
    EXPECT_EQ(score->rank, ranks[static_cast<std::size_t>(token)]);
    EXPECT_EQ(score->is_argmax, token == 1);
    EXPECT_EQ(score->margin, 0);
  }
}

TEST(ScoreToken, MeasuresTheMarginBetweenTheTwoLargestWhereverTheyStand) {
  for (const std::vector<float>& logits :
       {std::vector<float>{3, 7, 5.5f}, {7, 5.5f, 3}, {5.5f, 3, 7}, {7, 3, 5.5f}}) {
    EXPECT_EQ(score_token(logits, 0)->margin, 1.5);
  }
  EXPECT_EQ(score_token(std::vector<float>{4}, 0)->margin, std::numeric_limits<double>::infinity());
  EXPECT_EQ(score_token(std::vector<float>{4}, 0)->log_prob, 0);
}

TEST(ScoreToken, NeitherOverflowsNorLosesFarOffTokens) {
  const std::vector<float> logits = {3e38f, -3e38f, 0};
  EXPECT_EQ(score_token(logits, 0)->log_prob, 0);
  EXPECT_EQ(score_token(logits, 1)->log_prob, static_cast<double>(-3e38f) - static_cast<double>(3e38f));
}

TEST(ScoreToken, StaysWithinItsBoundOfASumInLongDouble) {
  constexpr std::uint64_t kSeed = 5;
  Rng rng(kSeed);
  constexpr int kNumLogits = 50000;
  std::vector<float> logits(kNumLogits);
  for (float& logit : logits) logit = static_cast<float>(8 * rng.normal());
  long double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<long double>(logit));
  for (const std::int64_t target : {0, 17, kNumLogits - 1}) {
    const double expected = static_cast<double>(
        static_cast<long double>(logits[static_cast<std::size_t>(target)]) - std::log(sum));
    const double bound = (kNumLogits + 2) * kEpsilon / 2 + 2 * kEpsilon * std::abs(expected);
    EXPECT_NEAR(score_token(logits, target)->log_prob, expected, bound) << "seed " << kSeed;
  }
}

TEST(ScoreToken, RefusesWhatIsNotALogit) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> good = {1, 2};
  EXPECT_THAT(score_token({}, 0), FailsWith(ErrorCode::kInvalidArgument, "0 logits"));
  EXPECT_THAT(score_token(good, 2), FailsWith(ErrorCode::kInvalidArgument, "target token is 2"));
  EXPECT_THAT(score_token(good, -1), FailsWith(ErrorCode::kInvalidArgument, "target token is -1"));
  for (const float bad : {inf, -inf, std::nanf("")}) {
    EXPECT_THAT(score_token(std::vector<float>{1, bad, 2}, 0),
                FailsWith(ErrorCode::kCorrupt, "logit of token 1"));
  }
}

TEST(IsRelativelyClose, RejectsNanZeroSignFlipAndOneStep) {
  const double step = 0.5 * (1 + 4 * kEpsilon);
  EXPECT_THAT(0.5, IsRelativelyClose(0.5, kEpsilon));
  EXPECT_THAT(step, testing::Not(IsRelativelyClose(0.5, kEpsilon)));
  EXPECT_THAT(0.0, testing::Not(IsRelativelyClose(0.5, kEpsilon)));
  EXPECT_THAT(-0.5, testing::Not(IsRelativelyClose(0.5, kEpsilon)));
  EXPECT_THAT(std::nan(""), testing::Not(IsRelativelyClose(0.5, kEpsilon)));
  EXPECT_THAT(1e-300, testing::Not(IsRelativelyClose(0.0, 0.1)));
}

}  // namespace
}  // namespace assay::eval
