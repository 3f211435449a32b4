#include "text/regex.h"

#include "support/testing.h"

namespace assay::text {
namespace {

// The matches of `pattern` in `text`, each followed by a bar.
std::string matches(const std::string& pattern, const std::string& text) {
  const auto regex = Regex::compile(pattern);
  if (!regex) return regex.error().message;
  std::vector<Span> spans;
  const Status found = regex->find_all(text, &spans);
  if (!found) return found.error().message;
  std::string joined;
  for (const Span& span : spans) {
    if (span.matched) joined += text.substr(span.begin, span.end - span.begin) + "|";
  }
  return joined;
}

TEST(Regex, CoversTheTextWithMatchesAndGapsInOrder) {
  std::vector<Span> spans;
  ASSERT_THAT(Regex::compile("b+")->find_all("abbcb", &spans), IsOk());
  ASSERT_EQ(spans.size(), 4u);
  const std::vector<std::pair<std::size_t, std::size_t>> bounds = {{0, 1}, {1, 3}, {3, 4}, {4, 5}};
  for (std::size_t i = 0; i < spans.size(); ++i) {
    EXPECT_EQ(spans[i].begin, bounds[i].first);
    EXPECT_EQ(spans[i].end, bounds[i].second);
    EXPECT_EQ(spans[i].matched, i % 2 == 1);
  }
}

TEST(Regex, TakesWhiteSpaceByTheUnicodePropertyAndNotByPcre2) {
  EXPECT_EQ(matches(R"(\s)", "a\u00a0b"), "\u00a0|");
  EXPECT_EQ(matches(R"(\s)", "a\u180eb\u200bc"), "");  // PCRE2's own \s has U+180E
  EXPECT_EQ(matches(R"([\s]+)", "a\u3000\u2028 b"), "\u3000\u2028 |");
  EXPECT_EQ(matches(R"([^\s\p{L}])", "a\u180e\u3000"), "\u180e|");
}

TEST(Regex, MatchesTheCharactersOfRubySyntax) {
  EXPECT_EQ(matches(R"(\d)", "1\u0663\u00b2"), "1|\u0663|");
  EXPECT_EQ(matches(R"(\w+)", "na\u00efve_1 e\u0301-x"), "na\u00efve_1|e\u0301|x|");
  EXPECT_EQ(matches(R"(\bx\b)", "x ax x_ x"), "x|x|");
  EXPECT_EQ(matches("^a$", "a\nb\na"), "a|a|");  // ^ and $ are about lines
  EXPECT_EQ(matches("a.", "ab a\n"), "ab|");
  EXPECT_EQ(matches(R"(\u00e9\x41\x{1F600})", "\u00e9A\U0001F600"), "\u00e9A\U0001F600|");
  EXPECT_EQ(matches("a{,2}b", "aaab"), "aab|");
  EXPECT_EQ(matches("a{x", "a{x"), "a{x|");
  EXPECT_EQ(matches(R"(\p{^L})", "a1"), "1|");
  EXPECT_EQ(matches(R"(\p{Han}+)", "a\u4e2d\u3001b"), "\u4e2d|");  // Script, not Script_Extensions
  EXPECT_EQ(matches("(?i:'s|'ll)", "'S 'lL '\u017f"), "'S|'lL|'\u017f|");
}

TEST(Regex, GoesOnBehindEmptyMatches) {
  EXPECT_EQ(matches("b*", "abb\u00e9"), "|bb||");
  EXPECT_EQ(matches("(?=b)", "abab"), "||");
}

TEST(Regex, RefusesWhatItCannotReproduce) {
  for (const char* pattern :
       {R"(\h)", R"(\R)", R"(\X)", R"(\K)", R"(\1)", R"(\k<a>)", "(?i)a", "(?<a>b)", "(?x:a)", "[a[b]]",
        "[a&&b]", R"([\W])", "a{2}+", "a{2}?", "(*ACCEPT)", R"(\p{Alpha Beta})", R"(a\)", "[a", "[]a]"}) {
    EXPECT_THAT(Regex::compile(pattern), FailsWith(ErrorCode::kUnsupported, "regex '")) << pattern;
  }
  EXPECT_THAT(Regex::compile("(a"), FailsWith(ErrorCode::kUnsupported, "parenthesis"));
  EXPECT_THAT(Regex::compile(R"(\p{Nonsense})"), FailsWith(ErrorCode::kUnsupported, "property"));
}

TEST(Regex, SaysSoWhereAPatternBacktracksWithoutEnd) {
  EXPECT_THAT(matches("(?:a+a+)+[bc]", std::string(60, 'a')), testing::HasSubstr("limit"));
}

TEST(Regex, MatchesAMegabyteOfSpacesAndOfGroups) {
  EXPECT_EQ(matches(R"(\s+(?!\S)|\s+)", std::string(1 << 20, ' ') + "x").size(), (1u << 20) + 2);
  EXPECT_EQ(matches(R"((?:\p{L}\p{M}*)+)", std::string(1 << 20, 'a')).size(), (1u << 20) + 1);
}

}  // namespace
}  // namespace assay::text
