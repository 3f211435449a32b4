#include "report/markup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::report {
namespace {

MarkupContext context() {
  MarkupContext made;
  made.facts = {{"n", "100"}, {"nothing", ""}, {"strange", "a*b`c{n}[@x]"}};
  made.figures = {"size", "time"};
  made.tables = {"results"};
  made.findings["detectors"] = {"One is smaller ([#time]).", "Two is not."};
  return made;
}

std::vector<Block> parsed(const std::string& text, const MarkupContext& with = context()) {
  auto blocks = parse_markup(text, with);
  EXPECT_TRUE(blocks) << blocks.error().message;
  return blocks ? *blocks : std::vector<Block>();
}

TEST(Markup, JoinsLinesToParagraphsAndFillsFiguresIn) {
  const auto blocks = parsed("# A title\n\nThere are {n}\nof *them*.\n\nNext.");
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0].id, "a-title");
  EXPECT_EQ(plain_text(blocks[1].lines[0]), "There are 100 of them.");
  EXPECT_EQ(blocks[1].lines[0][1].style, Run::Style::kEmphasis);
}

TEST(Markup, DoesNotReadMarkupOutOfAFigure) {
  EXPECT_EQ(plain_text(parsed("{strange}")[0].lines[0]), "a*b`c{n}[@x]");
}

TEST(Markup, ReadsAnEscapedNameAsItStands) {
  const std::string name = "a*b*c `d` {n} [#time] \\x - #1";
  const auto blocks = parsed("Model " + escape_markup(name));
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(plain_text(blocks[0].lines[0]), "Model " + name);
}

TEST(Markup, NumbersFiguresAsTheyAppearAndLeavesAbsentOnesOut) {
  const auto blocks =
      parsed("See [#time] and [#results].\n\n{figure size}\n{figure energy}\n{figure time}\n{table results}");
  ASSERT_EQ(blocks.size(), 4u);
  EXPECT_EQ(plain_text(blocks[0].lines[0]), "See Figure 2 and Table 1.");
  EXPECT_EQ(blocks[2].id, "time");
  EXPECT_EQ(blocks[2].number, 2);
}

TEST(Markup, ListsOnlyReferencesThatAreCitedInTheirOrder) {
  const auto blocks =
      parsed("As [@b; @a] say.\n\n{references}\n\n[@a]: Work A.\n[@b]: Work B.\n[@c]: Work C.");
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(plain_text(blocks[0].lines[0]), "As [1, 2] say.");
  ASSERT_EQ(blocks[1].lines.size(), 2u);
  EXPECT_EQ(plain_text(blocks[1].lines[0]), "Work B.");
}

TEST(Markup, LeavesOutWhatAnEmptyFigureGuards) {
  EXPECT_EQ(parsed("{if nothing}\nA\n{if n}\nB\n{end}\n{end}\n{if n}\nC\n{end}").size(), 1u);
}

TEST(Markup, PutsTheUsersTextInPlaceOfParagraphsButKeepsFigures) {
  MarkupContext with = context();
  with.texts["results"] = "My own words, with {braces} and [@no] reference.\n\n- a point";
  const auto blocks = parsed("# Results\n\nOurs.\n\n{figure size}\n\nOurs again.\n\n# Next\n\nStays.", with);
  ASSERT_EQ(blocks.size(), 6u);
  EXPECT_EQ(plain_text(blocks[1].lines[0]), "My own words, with {braces} and [@no] reference.");
  EXPECT_EQ(blocks[2].kind, Block::Kind::kBullets);
  EXPECT_EQ(blocks[3].kind, Block::Kind::kFigure);
  EXPECT_EQ(plain_text(blocks[5].lines[0]), "Stays.");
}

TEST(Markup, NamesLineAndReasonOfAMistake) {
  for (const auto& [text, reason] : std::vector<std::pair<std::string, std::string>>{
           {"a\n\n{unknown} b", "line 3: there is no figure named 'unknown'"},
           {"[@none] says", "there is no reference 'none'"},
           {"{if n}\na", "line 1: {if} without {end}"},
           {"a\n{end}", "line 2: {end} without {if}"},
           {"{findings nobody}", "there are no findings named 'nobody'"},
           {"{picture x}", "unknown directive 'picture'"},
           {"a { b", "'{' without '}'"}}) {
    const auto blocks = parse_markup(text, context());
    ASSERT_FALSE(blocks) << text;
    EXPECT_THAT(blocks.error().message, testing::HasSubstr(reason));
  }
}

}  // namespace
}  // namespace assay::report
