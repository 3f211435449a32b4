#include "eval/token_split.h"

#include <string>

#include "support/testing.h"

namespace assay::eval {
namespace {

using testing::ElementsAre;

constexpr std::int32_t kPrefix = 1000;

// A token per byte; `adds_bos` puts 999 before every text for which special tokens are wanted.
EncodeText bytes_as_tokens(bool adds_bos = false) {
  return [adds_bos](std::string_view text, bool add_special_tokens) -> Result<std::vector<std::int32_t>> {
    std::vector<std::int32_t> tokens;
    if (adds_bos && add_special_tokens) tokens.push_back(999);
    for (const char c : text) tokens.push_back(c);
    return tokens;
  };
}

SplitOptions reading(std::int64_t max_length) { return {max_length, kPrefix}; }

TEST(SplitContextAndTarget, FeedsAllButTheLastTargetToken) {
  const auto scored = split_context_and_target("ab", " c", bytes_as_tokens(), reading(10));
  ASSERT_THAT(scored, IsOk());
  EXPECT_THAT(scored->input, ElementsAre('a', 'b', ' '));
  EXPECT_THAT(scored->targets, ElementsAre(' ', 'c'));
  EXPECT_EQ(scored->first_scored, 1);
  EXPECT_FALSE(scored->truncated);
}

TEST(SplitContextAndTarget, MovesSpaceAtTheEndOfTheContextToTheTarget) {
  const auto scored = split_context_and_target("a\n ", " c", bytes_as_tokens(), reading(10));
  ASSERT_THAT(scored, IsOk());
  EXPECT_THAT(scored->targets, ElementsAre('\n', ' ', ' ', 'c'));
}

TEST(SplitContextAndTarget, PutsThePrefixTokenInPlaceOfAnEmptyContext) {
  const auto scored = split_context_and_target("", " c", bytes_as_tokens(/*adds_bos=*/true), reading(10));
  ASSERT_THAT(scored, IsOk());
  EXPECT_THAT(scored->input, ElementsAre(kPrefix, ' '));
  EXPECT_THAT(scored->targets, ElementsAre(' ', 'c'));
}

TEST(SplitContextAndTarget, DoesNotFeedThePrefixTokenTwice) {
  const auto scored = split_context_and_target("", " c", bytes_as_tokens(), SplitOptions{10, ' '});
  ASSERT_THAT(scored, IsOk());
  EXPECT_THAT(scored->input, ElementsAre(' '));
  EXPECT_THAT(scored->targets, ElementsAre('c'));
}

TEST(SplitContextAndTarget, DropsTokensFromTheLeftOnlyWhenTheInputDoesNotFit) {
  const auto fits = split_context_and_target("abc", "d", bytes_as_tokens(), reading(3));
  ASSERT_THAT(fits, IsOk());
  EXPECT_THAT(fits->input, ElementsAre('a', 'b', 'c'));
  EXPECT_FALSE(fits->truncated);
  const auto cut = split_context_and_target("abc", "de", bytes_as_tokens(), reading(3));
  ASSERT_THAT(cut, IsOk());
  EXPECT_THAT(cut->input, ElementsAre('b', 'c', 'd'));
  EXPECT_EQ(cut->first_scored, 1);
  EXPECT_TRUE(cut->truncated);
}

TEST(SplitContextAndTarget, KeepsOneContextTokenForTheLongestTargetThatFits) {
  const auto scored = split_context_and_target("abc", "def", bytes_as_tokens(), reading(3));
  ASSERT_THAT(scored, IsOk());
  EXPECT_THAT(scored->input, ElementsAre('c', 'd', 'e'));
  EXPECT_EQ(scored->first_scored, 0);
}

TEST(SplitContextAndTarget, SaysWhyAPairCannotBeScored) {
  EXPECT_THAT(split_context_and_target("a", "bcde", bytes_as_tokens(), reading(3)),
              FailsWith(ErrorCode::kResourceLimit, "4 tokens"));
  EXPECT_THAT(split_context_and_target("a", "", bytes_as_tokens(), reading(3)),
              FailsWith(ErrorCode::kInvalidArgument, "no token is left"));
  EXPECT_THAT(split_context_and_target("  ", "a", bytes_as_tokens(), reading(3)),
              FailsWith(ErrorCode::kInvalidArgument, "white space"));
  EXPECT_THAT(split_context_and_target("a\xff", "b", bytes_as_tokens(), reading(3)),
              FailsWith(ErrorCode::kInvalidArgument, "UTF-8"));
  EXPECT_THAT(split_context_and_target("a", "b", bytes_as_tokens(), reading(0)),
              FailsWith(ErrorCode::kInvalidArgument, "max_length"));
  const EncodeText broken = [](std::string_view, bool) -> Result<std::vector<std::int32_t>> {
    return Error{ErrorCode::kUnsupported, "no such character"};
  };
  EXPECT_THAT(split_context_and_target("a", "b", broken, reading(3)),
              FailsWith(ErrorCode::kUnsupported, "no such character"));
}

}  // namespace
}  // namespace assay::eval
