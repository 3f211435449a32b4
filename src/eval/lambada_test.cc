#include "eval/lambada.h"

#include <cmath>
#include <limits>

#include "eval/closeness_testing.h"
#include "support/testing.h"

namespace assay::eval {
namespace {

// A handful of additions and one exp or sqrt: some rounding steps.
constexpr double kFewRoundings = 16 * 0x1p-53;

TokenScore token(double probability, std::int64_t rank, double margin = 1) {
  return {std::log(probability), rank, rank == 0, margin};
}

// Correct; second token at rank 1; first at rank 3; correct but nearly tied.
std::vector<ExampleScore> four_examples() {
  return {{{token(0.5, 0), token(0.5, 0)}, false},
          {{token(0.5, 0), token(0.25, 1)}, true},
          {{token(0.125, 3)}, false},
          {{token(0.5, 0, 0.5e-4)}, false}};
}

TEST(EvaluateLambada, AggregatesAsComputedByHand) {
  const auto record = evaluate_lambada(four_examples(), std::vector<int>{1, 2, 4});
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->examples, 4);
  EXPECT_EQ(record->tokens, 6);
  EXPECT_EQ(record->truncated, 1);
  EXPECT_EQ(record->near_ties, 1);
  EXPECT_EQ(record->accuracy, 0.5);
  // Sample variance of {1, 0, 0, 1} is 1/3.
  EXPECT_THAT(*record->accuracy_stderr, IsRelativelyClose(std::sqrt(1.0 / 3) / 2, kFewRoundings));
  // Probabilities 2^-2, 2^-3, 2^-3, 2^-1: perplexity 2^(9/4); sample deviation of {2, 3, 3, 1} ln 2 is
  // sqrt(11/12) ln 2.
  EXPECT_THAT(record->perplexity, IsRelativelyClose(std::exp2(9.0 / 4), kFewRoundings));
  EXPECT_THAT(
      *record->perplexity_stderr,
      IsRelativelyClose(std::exp2(9.0 / 4) * std::sqrt(11.0 / 12) * std::log(2.0) / 2, kFewRoundings));
  EXPECT_THAT(record->top_k,
              testing::ElementsAre(testing::Pair(1, 0.5), testing::Pair(2, 0.75), testing::Pair(4, 1.0)));
  EXPECT_THAT(record->first_token_top_k,
              testing::ElementsAre(testing::Pair(1, 0.75), testing::Pair(2, 0.75), testing::Pair(4, 1.0)));
  EXPECT_EQ(record->top_k_stderr.at(1), record->accuracy_stderr);
  EXPECT_EQ(record->top_k_stderr.at(4), 0.0);
}

TEST(EvaluateLambada, HasNoStandardErrorForOneExample) {
  const auto record =
      evaluate_lambada(std::vector<ExampleScore>{{{token(0.5, 0)}, false}}, std::vector<int>{1});
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->accuracy, 1);
  EXPECT_FALSE(record->accuracy_stderr.has_value());
  EXPECT_FALSE(record->perplexity_stderr.has_value());
  EXPECT_FALSE(record->top_k_stderr.at(1).has_value());
}

TEST(EvaluateLambada, CountsAMarginOfExactlyTheLimitAsNoTie) {
  const auto near_ties = [](double margin) {
    return evaluate_lambada(std::vector<ExampleScore>{{{token(0.5, 0, margin)}, false}}, {})->near_ties;
  };
  EXPECT_EQ(near_ties(kNearTieMargin), 0);
  EXPECT_EQ(near_ties(std::nextafter(kNearTieMargin, 0)), 1);
  EXPECT_EQ(near_ties(0), 1);
}

TEST(EvaluateLambada, NamesTheExampleThatCannotBe) {
  const auto evaluate = [](TokenScore bad) {
    auto examples = four_examples();
    examples[2].tokens[0] = bad;
    return evaluate_lambada(examples, std::vector<int>{1});
  };
  const auto invalid = [](const char* word) { return FailsWith(ErrorCode::kInvalidArgument, word); };
  const double inf = std::numeric_limits<double>::infinity();
  for (const double log_prob : {std::nan(""), inf, -inf, 0.1}) {
    EXPECT_THAT(evaluate({log_prob, 0, true, 1}), invalid("example 2: log_prob"));
  }
  EXPECT_THAT(evaluate({-1, -1, false, 1}), invalid("example 2: rank"));
  EXPECT_THAT(evaluate({-1, 1, true, 1}), invalid("example 2: is_argmax"));
  EXPECT_THAT(evaluate({-1, 0, true, std::nan("")}), invalid("example 2: margin"));
  EXPECT_THAT(evaluate_lambada({}, {}), invalid("no examples"));
  EXPECT_THAT(evaluate_lambada(four_examples(), std::vector<int>{1, 0}), invalid("top-k is 0"));
  EXPECT_THAT(evaluate_lambada(std::vector<ExampleScore>(1), {}), invalid("example 0: no target tokens"));
}

}  // namespace
}  // namespace assay::eval
