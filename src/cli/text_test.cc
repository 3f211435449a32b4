#include "cli/text.h"

#include "cli/terminal_progress.h"
#include "support/testing.h"

namespace assay::cli {
namespace {

TEST(Megabytes, CountsInMillions) {
  EXPECT_EQ(megabytes(98'362'432), "98.4 MB");
  EXPECT_EQ(megabytes(123'456), "0.123 MB");
  EXPECT_EQ(megabytes(512), "512 bytes");
}

TEST(WithSeparators, PutsACommaBeforeEveryThirdDigit) {
  EXPECT_EQ(with_separators(0), "0");
  EXPECT_EQ(with_separators(999), "999");
  EXPECT_EQ(with_separators(1000), "1,000");
  EXPECT_EQ(with_separators(134'515'008), "134,515,008");
}

TEST(WithError, LeavesOutAnErrorThatIsNotKnown) {
  EXPECT_EQ(with_error(0.29439, 0.00635, 4), "0.2944 +- 0.0063");
  EXPECT_EQ(with_error(0.29439, std::nullopt, 4), "0.2944");
}

TEST(Printable, TakesAwayControlOfTheTerminal) {
  EXPECT_EQ(printable("a\033[31mb\n\x7F\xC3\xA4"), "a?[31mb??\xC3\xA4");
}

TEST(TextTable, AlignsColumnsByCharacters) {
  TextTable table({{"name"}, {"n", TextTable::Align::kRight}, {"last"}});
  table.add_row({"\xC3\xA4", "100", "x"});
  table.add_row({"longer", "5", ""});
  EXPECT_EQ(table.render(), "name      n  last\n\xC3\xA4       100  x\nlonger    5\n");
}

TEST(Labelled, PutsValuesBelowEachOther) {
  EXPECT_EQ(labelled({{"a", "1"}, {"long", "2"}}), "a     1\nlong  2\n");
}

TEST(DurationText, GrowsToHours) {
  EXPECT_EQ(duration_text(0.2), "0:01");
  EXPECT_EQ(duration_text(41), "0:41");
  EXPECT_EQ(duration_text(725), "12:05");
  EXPECT_EQ(duration_text(3 * 3600.0), "3:00:00");
}

TEST(ProgressLine, EstimatesTheTimeLeftFromTheShareThatIsDone) {
  EXPECT_EQ(progress_line("checking", 5, 20, 10, std::nullopt, 100),
            "checking [======>                 ]  25 %  5/20, 0:30 left");
  EXPECT_EQ(progress_line("checking", 5, 20, 10, 754, 100),
            "checking [======>                 ]  25 %  5/20, 0:30 left; all: 12:34");
  EXPECT_EQ(progress_line("checking", 0, 20, 10, std::nullopt, 100),
            "checking [>                       ]   0 %  0/20");
  EXPECT_EQ(progress_line("checking", 20, 20, 10, std::nullopt, 100),
            "checking [========================] 100 %  20/20");
}

TEST(ProgressLine, NeverFillsTheTerminalsLine) {
  for (int width = 1; width < 100; ++width)
    EXPECT_LT(progress_line("checking", 5, 20, 10, 3600, width).size(), static_cast<std::size_t>(width));
}

TEST(SecondsLeft, CountsDownWhatWasExpectedUnlessTheStageIsSlower) {
  EXPECT_EQ(seconds_left(100, 30, 0, 1000), 1070);
  EXPECT_EQ(seconds_left(100, 30, 250, 1000), 1250);
  EXPECT_EQ(seconds_left(100, 130, 0, 1000), 1000) << "never below what comes after";
}

}  // namespace
}  // namespace assay::cli
