#include "flow/calibration.h"

#include "support/testing.h"

namespace assay {
namespace {

// Byte-level tokens for the letters a to d and the line break.
Result<Tokenizer> letters() {
  return Tokenizer::from_vocab_and_merges(as_bytes(R"({"a":0,"b":1,"c":2,"d":3,"Ċ":4,"<|endoftext|>":5})"), as_bytes("#version: 0.2\n"));
}

Result<CalibrationSet> parse(const std::string& text, const CalibrationOptions& options = {}) {
  ASSAY_TRY(const Tokenizer tokenizer, letters());
  return parse_calibration(as_bytes(text), "file", tokenizer, 6, options);
}

TEST(Calibration, TakesTokenIdsAsTheyAre) {
  const auto plain = parse("[[1, 2], [3]]");
  ASSERT_THAT(plain, IsOk());
  EXPECT_EQ(plain->sequences, (std::vector<std::vector<std::int32_t>>{{1, 2}, {3}}));
  const auto object = parse(R"({"model": "m", "samples": [[1, 2], [3]]})");
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->hash, plain->hash);
}

TEST(Calibration, CutsTokenIdsToTheOptions) {
  const auto set = parse("[[1, 2, 3], [3, 2, 1], [0]]", {.samples = 2, .sequence_length = 2});
  ASSERT_THAT(set, IsOk());
  EXPECT_EQ(set->sequences, (std::vector<std::vector<std::int32_t>>{{1, 2}, {3, 2}}));
}

TEST(Calibration, StandsBehindOtherCalibrationAsIfOneFileHeldBoth) {
  auto set = parse("[[1, 2], [3]]");
  ASSERT_THAT(set, IsOk());
  append_calibration(*set, *parse("[[4]]"));
  const auto both = parse("[[1, 2], [3], [4]]");
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(set->sequences, both->sequences);
  EXPECT_EQ(set->hash, both->hash);
}

TEST(Calibration, RefusesIdsOutsideOfTheVocabulary) {
  EXPECT_THAT(parse("[[1, 6]]"), FailsWith(ErrorCode::kInvalidArgument, "sample 1 holds 6"));
  EXPECT_THAT(parse("[[1], [-1]]"), FailsWith(ErrorCode::kInvalidArgument, "sample 2 holds -1"));
}

TEST(Calibration, JoinsLinesOfJsonAndCutsPlainTextIntoPieces) {
  const auto lines = parse("{\"text\": \"ab\"}\n\n{\"text\": \"cd\"}\n", {.samples = 9, .sequence_length = 2});
  ASSERT_THAT(lines, IsOk());
  EXPECT_EQ(lines->sequences, (std::vector<std::vector<std::int32_t>>{{0, 1}, {4, 4}, {2, 3}}));
  const auto text = parse("abcd", {.samples = 9, .sequence_length = 3});
  ASSERT_THAT(text, IsOk());
  EXPECT_EQ(text->sequences, (std::vector<std::vector<std::int32_t>>{{0, 1, 2}}));
}

TEST(Calibration, DrawsTheSamePiecesForASeedAndOthersForAnother) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += static_cast<char>('a' + (i * i / 7) % 4);
  const CalibrationOptions first{.samples = 5, .sequence_length = 8, .seed = 1}, second{.samples = 5, .sequence_length = 8, .seed = 2};
  EXPECT_EQ(parse(text, first)->hash, parse(text, first)->hash);
  EXPECT_NE(parse(text, first)->hash, parse(text, second)->hash);
}

TEST(Calibration, NamesWhatIsWrongWithAFile) {
  EXPECT_THAT(parse("  \n"), FailsWith(ErrorCode::kInvalidArgument, "file: is empty"));
  EXPECT_THAT(parse("{\"text\": \"ab\"}\n{\"words\": 1}\n"), FailsWith(ErrorCode::kCorrupt, "line 2"));
  EXPECT_THAT(parse("[[1, 2"), FailsWith(ErrorCode::kCorrupt, "JSON list"));
  EXPECT_THAT(parse("ab\xff"), FailsWith(ErrorCode::kInvalidArgument, "file"));
}

}  // namespace
}  // namespace assay
