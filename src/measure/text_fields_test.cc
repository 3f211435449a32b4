#include "measure/text_fields.h"

#include "support/testing.h"

namespace assay::measure {
namespace {

TEST(ParseUnsigned, TakesDigitsAndNothingElse) {
  EXPECT_EQ(parse_unsigned(" 42\n"), 42u);
  EXPECT_EQ(parse_unsigned("18446744073709551615"), ~0ULL);
  for (const char* bad : {"", " ", "-1", "+1", "1.5", "0x10", "1 2", "18446744073709551616"}) {
    EXPECT_FALSE(parse_unsigned(bad).has_value()) << bad;
  }
}

TEST(ParseScaledBytes, KnowsTheKernelsUnits) {
  EXPECT_EQ(parse_scaled_bytes("64\n"), 64u);
  EXPECT_EQ(parse_scaled_bytes("32K"), 32768u);
  EXPECT_EQ(parse_scaled_bytes("32M"), 33554432u);
  EXPECT_EQ(parse_scaled_bytes("1G"), 1073741824u);
  EXPECT_FALSE(parse_scaled_bytes("K").has_value());
  EXPECT_FALSE(parse_scaled_bytes("18446744073709551615G").has_value());
}

TEST(FindField, MatchesWholeNamesOnly) {
  const std::string_view text = "cpu family\t: 25\nno separator\nmodel\t\t: 17\nmodel name\t: A: B\n";
  EXPECT_EQ(find_field(text, "model", ':'), "17");
  EXPECT_EQ(find_field(text, "model name", ':'), "A: B");
  EXPECT_FALSE(find_field(text, "family", ':').has_value());
}

TEST(ReadText, ReadsFilesWithoutASizeAndSaysWhichIsMissing) {
  const auto text = read_text("/proc/self/status");
  ASSERT_THAT(text, IsOk());
  EXPECT_TRUE(find_field(*text, "Pid", ':').has_value());
  EXPECT_THAT(read_text("/nonexistent/x"), FailsWith(ErrorCode::kNotFound, "/nonexistent/x"));
  EXPECT_THAT(read_text("/tmp"), FailsWith(ErrorCode::kIo, "/tmp"));
}

TEST(EntriesOf, AreSortedAndNoneForAMissingFolder) {
  TempDir dir;
  for (const char* name : {"b", "c", "a"}) write_bytes(dir / name, "");
  EXPECT_THAT(entries_of(dir.path()), testing::ElementsAre(dir / "a", dir / "b", dir / "c"));
  EXPECT_TRUE(entries_of(dir / "missing").empty());
}

}  // namespace
}  // namespace assay::measure
