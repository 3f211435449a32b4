#include "eval/cloze_data.h"

#include <nlohmann/json.hpp>
#include <set>

#include "eval/unicode.h"
#include "support/testing.h"

namespace assay::eval {
namespace {

Result<std::vector<ClozeExample>> parse(std::string_view text, ClozeFormat format = ClozeFormat::kAuto) {
  return parse_cloze_examples(as_bytes(text), format);
}

void expect_one(std::string_view file, const std::string& context, const std::string& target,
                ClozeFormat format = ClozeFormat::kAuto) {
  const auto examples = parse(file, format);
  ASSERT_THAT(examples, IsOk()) << file;
  ASSERT_EQ(examples->size(), 1u) << file;
  EXPECT_EQ(examples->front().context, context) << file;
  EXPECT_EQ(examples->front().target, target) << file;
}

std::string encode_utf8(char32_t c) {
  std::string bytes;
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
  if (c >= 0x10000) bytes += static_cast<char>(0xf0 | c >> 18);
  bytes += static_cast<char>(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12);
  bytes += static_cast<char>(0x80 | (c >> 6 & 0x3f));
  bytes += static_cast<char>(0x80 | (c & 0x3f));
  return bytes;
}

TEST(ParseClozeExamples, SplitsAtTheLastSpaceAndKeepsEveryByte) {
  expect_one(R"({"text": "I don't care about signs"})", "I don't care about", " signs");
  expect_one(R"({"text": "He said \"Nadia"})", "He said", " \"Nadia");
  expect_one(R"({"text": "out of\n\nPower"})", "out", " of\n\nPower");
  expect_one(R"({"text": "two  spaces"})", "two ", " spaces");
  expect_one(R"({"text": "a tab\tstays"})", "a", " tab\tstays");
  expect_one("{\"text\": \"no-break\xc2\xa0space stays\"}", "no-break\xc2\xa0space", " stays");
  expect_one(R"({"text": " alone"})", "", " alone");
  expect_one(R"({"text": "kept as it is\n"})", "kept as it", " is\n");
}

TEST(ParseClozeExamples, ReadsOnePlainPassagePerLine) {
  const auto examples = parse("first passage here\n\n  \nand the second");
  ASSERT_THAT(examples, IsOk());
  ASSERT_EQ(examples->size(), 2u);
  EXPECT_EQ((*examples)[0].target, " here");
  EXPECT_EQ((*examples)[1].context, "and the");
}

TEST(ParseClozeExamples, TakesByteOrderMarksAndCarriageReturnsForNoText) {
  expect_one("\xef\xbb\xbfplain text\r\n", "plain", " text");
  expect_one("\xef\xbb\xbf{\"text\": \"json text\"}\r\n", "json", " text");
}

TEST(ParseClozeExamples, BelievesTheFormatItIsTold) {
  expect_one(R"({"text": "not json"})", R"({"text": "not)", R"( json"})", ClozeFormat::kPlainText);
  EXPECT_THAT(parse("plain text", ClozeFormat::kJsonLines),
              FailsWith(ErrorCode::kCorrupt, "line 1: invalid JSON"));
}

TEST(ParseClozeExamples, AcceptsPlainPassagesThatOnlyLookLikeJson) {
  const auto examples = parse("\"Quoted from end to end\"\n{in braces}\n[in brackets again\n");
  EXPECT_THAT(parse("[in brackets] first\n"), IsOk());
  EXPECT_THAT(examples, IsOk());
}

TEST(ParseClozeExamples, NamesTheLineAndWhatIsWrongWithIt) {
  const std::string good = "{\"text\": \"a b\"}\n";
  const auto corrupt = [](const char* word) { return FailsWith(ErrorCode::kCorrupt, word); };
  EXPECT_THAT(parse(""), corrupt("no passages"));
  EXPECT_THAT(parse("\n \r\n\t\n"), corrupt("no passages"));
  EXPECT_THAT(parse(good + "\n{\"text\": \"a b\"\n"), corrupt("line 3: invalid JSON at byte 15"));
  EXPECT_THAT(parse(good + "{\"txt\": \"a b\"}"), corrupt("line 2: \"text\" is missing"));
  EXPECT_THAT(parse(good + "{\"text\": 7}"), corrupt("line 2: \"text\" is a number"));
  EXPECT_THAT(parse(good + "{\"text\": \"\"}"), corrupt("line 2: no space"));
  EXPECT_THAT(parse(good + "{\"text\": \"word\"}"), corrupt("line 2: no space"));
  EXPECT_THAT(parse(good + "{\"text\": \"ends in space \"}"),
              corrupt("line 2: no word after the last space"));
  EXPECT_THAT(parse(good + "{\"text\": \"ends in space \\n\"}"),
              corrupt("line 2: no word after the last space"));
  EXPECT_THAT(parse(good + "{\"text\": \"a b\", \"n\": 1e999}"), corrupt("line 2: a number"));
  EXPECT_THAT(parse(good + "{\"text\": \"\\ud800 b\"}"), corrupt("line 2: invalid JSON"));
  EXPECT_THAT(parse("one two\nword\n"), corrupt("line 2: no space"));
  EXPECT_THAT(parse("one two\nthree \xff\n"), corrupt("line 2: invalid UTF-8 at byte 7"));
  EXPECT_THAT(parse(good + "{\"text\": \"\xc0\x80 b\"}"), corrupt("line 2: invalid UTF-8 at byte 11"));
  EXPECT_THAT(parse("[{\"text\": \"a b\"}]"), corrupt("JSON array"));
  EXPECT_THAT(parse("[1, 2]", ClozeFormat::kJsonLines), corrupt("not a JSON object"));
}

TEST(ParseClozeExamples, RefusesAFileOfTwoFormats) {
  EXPECT_THAT(parse("{\"text\": \"a b\"}\n\nplain text\n"),
              FailsWith(ErrorCode::kCorrupt, "line 3: plain text, but line 1 is a JSON object"));
  EXPECT_THAT(parse("\nplain text\n{\"text\": \"a b\"}\n"),
              FailsWith(ErrorCode::kCorrupt, "line 3: a JSON object, but line 2 is plain text"));
}

TEST(ParseClozeExamples, SplitsTheRealTestSetIntoItsPassages) {
  const auto path = shared_data("lambada/lambada_test.jsonl");
  if (!path) GTEST_SKIP() << "no shared test data: lambada/lambada_test.jsonl";
  const auto examples = parse(read_bytes(*path));
  ASSERT_THAT(examples, IsOk());
  EXPECT_EQ(examples->size(), 5153u);
  EXPECT_EQ(examples->front().target, " signs");
}

TEST(FirstInvalidUtf8, AcceptsWhatIsWellFormedAndFindsTheRest) {
  const auto at = [](std::string_view text) { return first_invalid_utf8(text); };
  for (const char32_t c :
       {0x0u, 0x7fu, 0x80u, 0x7ffu, 0x800u, 0xd7ffu, 0xe000u, 0xffffu, 0x10000u, 0x10ffffu}) {
    const std::string bytes = encode_utf8(c);
    EXPECT_EQ(at(bytes), bytes.size()) << std::hex << static_cast<unsigned>(c);
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) EXPECT_EQ(at("ab" + bytes.substr(0, cut)), 2u);
  }
  for (const char* bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3(", "\xff"}) {
    EXPECT_EQ(at(std::string("abc") + bad + "d"), 3u) << bad;
  }
}

TEST(TrailingSpaceBytes, AgreesWithPythonOnEveryCodePoint) {
  const auto spaces =
      nlohmann::json::parse(read_bytes(golden("eval/python_spaces.json"))).get<std::set<unsigned>>();
  for (unsigned c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    const std::string bytes = encode_utf8(c);
    const std::size_t expected = spaces.contains(c) ? 1 + bytes.size() : 0;
    ASSERT_EQ(trailing_space_bytes("x " + bytes), expected) << std::hex << c;
  }
  EXPECT_EQ(trailing_space_bytes(""), 0u);
  EXPECT_EQ(trailing_space_bytes(" \n"), 2u);
}

}  // namespace
}  // namespace assay::eval
