#include "eval/perplexity.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>

#include "eval/closeness_testing.h"
#include "support/testing.h"

namespace assay::eval {
namespace {

using testing::ElementsAre;
using Bounds = std::tuple<std::int64_t, std::int64_t, std::int64_t>;

std::vector<Bounds> bounds(std::int64_t num_tokens, const WindowOptions& options) {
  std::vector<Bounds> all;
  const auto windows = plan_windows(num_tokens, options);
  for (const TokenWindow& w : *windows) all.push_back({w.begin, w.score_begin, w.end});
  return all;
}

TEST(PlanWindows, LeavesOutTheFirstTokenOfEveryWindowThatHasNoContext) {
  EXPECT_THAT(bounds(10, {4, 0, false}), ElementsAre(Bounds{0, 1, 4}, Bounds{4, 5, 8}, Bounds{8, 9, 10}));
}

TEST(PlanWindows, LeavesOutALastWindowWithNothingToScore) {
  EXPECT_THAT(bounds(9, {4, 0, false}), ElementsAre(Bounds{0, 1, 4}, Bounds{4, 5, 8}));
}

TEST(PlanWindows, ScoresEveryTokenAfterAPrefixToken) {
  EXPECT_THAT(bounds(9, {4, 0, true}), ElementsAre(Bounds{0, 0, 4}, Bounds{4, 4, 8}, Bounds{8, 8, 9}));
}

TEST(PlanWindows, ScoresOnlyWhatIsNewWhereWindowsOverlap) {
  EXPECT_THAT(bounds(9, {4, 2, false}),
              ElementsAre(Bounds{0, 1, 4}, Bounds{2, 4, 6}, Bounds{4, 6, 8}, Bounds{6, 8, 9}));
}

TEST(PlanWindows, ScoresNoTokenTwiceAndReadsNoMoreThanTheContext) {
  for (std::int64_t tokens = 2; tokens < 40; ++tokens) {
    for (std::int64_t context = 2; context < 9; ++context) {
      for (std::int64_t stride = 0; stride <= context; ++stride) {
        for (const bool prefix : {false, true}) {
          std::int64_t scored_until = 0;
          std::int64_t scored = 0;
          for (const auto& [begin, score_begin, end] : bounds(tokens, {context, stride, prefix})) {
            EXPECT_LE(end - 1 - begin + (prefix ? 1 : 0), context);
            EXPECT_GE(score_begin, scored_until);
            EXPECT_GE(score_begin + (prefix ? 1 : 0), begin + 1);
            EXPECT_LT(score_begin, end);
            scored += end - score_begin;
            scored_until = end;
          }
          const bool overlap = stride != 0 && stride < context;
          const std::int64_t windows_without_context = prefix    ? 0
                                                       : overlap ? 1
                                                                 : (tokens + context - 1) / context;
          EXPECT_EQ(scored, tokens - windows_without_context);
        }
      }
    }
  }
}

TEST(PlanWindows, NamesTheOptionOutOfRange) {
  EXPECT_THAT(plan_windows(10, {1, 0, false}), FailsWith(ErrorCode::kInvalidArgument, "context_length is 1"));
  EXPECT_THAT(plan_windows(10, {4, 5, false}), FailsWith(ErrorCode::kInvalidArgument, "stride is 5"));
  EXPECT_THAT(plan_windows(10, {4, -1, false}), FailsWith(ErrorCode::kInvalidArgument, "stride is -1"));
  EXPECT_THAT(plan_windows(1, {4, 0, false}), FailsWith(ErrorCode::kInvalidArgument, "text has 1 tokens"));
  EXPECT_THAT(plan_windows(0, {4, 0, true}), FailsWith(ErrorCode::kInvalidArgument, "text has 0 tokens"));
}

TEST(EvaluatePerplexity, AgreesWithTheHarness) {
  const auto expected = nlohmann::json::parse(read_bytes(golden("eval/perplexity.json")));
  const auto log_probs = expected["log_probs"].get<std::vector<double>>();
  const auto record = evaluate_perplexity(log_probs, expected["text_bytes"]);
  ASSERT_THAT(record, IsOk());
  // 50 additions on each side, and a mean of magnitude 4 in the exponent.
  const double bound = 2 * 4 * 55 * 0x1p-53;
  EXPECT_EQ(record->tokens, 50);
  EXPECT_THAT(record->perplexity, IsRelativelyClose(expected["perplexity"].get<double>(), bound));
  EXPECT_THAT(*record->nll_stderr, IsRelativelyClose(expected["nll_stderr"].get<double>(), bound));
  EXPECT_THAT(*record->bits_per_byte, IsRelativelyClose(expected["bits_per_byte"].get<double>(), bound));
}

TEST(EvaluatePerplexity, OfEqualProbabilitiesIsTheirInverse) {
  const auto record = evaluate_perplexity(std::vector<double>(8, -std::log(16.0)), 4);
  ASSERT_THAT(record, IsOk());
  EXPECT_THAT(record->perplexity, IsRelativelyClose(16.0, 16 * 0x1p-53));
  EXPECT_EQ(*record->nll_stderr, 0);
  EXPECT_THAT(*record->bits_per_byte, IsRelativelyClose(8.0, 16 * 0x1p-53));
}

TEST(EvaluatePerplexity, LeavesOutWhatItCannotKnow) {
  const auto record = evaluate_perplexity(std::vector<double>{-1}, 0);
  ASSERT_THAT(record, IsOk());
  EXPECT_FALSE(record->nll_stderr.has_value());
  EXPECT_FALSE(record->bits_per_byte.has_value());
}

TEST(EvaluatePerplexity, NamesTheTokenThatCannotBe) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), inf, -inf, 0.5}) {
    EXPECT_THAT(evaluate_perplexity(std::vector<double>{-1, bad}, 1),
                FailsWith(ErrorCode::kInvalidArgument, "scored token 1"));
  }
  EXPECT_THAT(evaluate_perplexity({}, 1), FailsWith(ErrorCode::kInvalidArgument, "no scored tokens"));
}

}  // namespace
}  // namespace assay::eval
