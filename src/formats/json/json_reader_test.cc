#include "formats/json/json_reader.h"

#include "support/testing.h"

namespace assay {
namespace {

TEST(ParseJson, ReadsEveryKindOfValue) {
  const auto document = parse_json(as_bytes(R"({"a":[1,-2,0.5,true,null,"x"],"b":{}})"), 8);
  ASSERT_THAT(document, IsOk());
  EXPECT_EQ(*document, nlohmann::json::parse(R"({"a":[1,-2,0.5,true,null,"x"],"b":{}})"));
}

TEST(ParseJson, KeepsTheOrderOfTheTextWhereAsked) {
  const auto document = parse_ordered_json(as_bytes(R"({"z":1,"a":[{"y":2,"b":3}]})"), 8);
  ASSERT_THAT(document, IsOk());
  EXPECT_EQ(document->dump(), R"({"z":1,"a":[{"y":2,"b":3}]})");
}

TEST(ParseJson, RefusesAKeyThatOccursTwiceAtAnyLevel) {
  EXPECT_THAT(parse_json(as_bytes(R"({"a":1,"a":2})"), 8),
              FailsWith(ErrorCode::kCorrupt, "'a' occurs twice"));
  EXPECT_THAT(parse_json(as_bytes(R"([{"x":{"a":1,"\u0061":2}}])"), 8),
              FailsWith(ErrorCode::kCorrupt, "'a'"));
  EXPECT_THAT(parse_ordered_json(as_bytes(R"({"a":1,"a":2})"), 8),
              FailsWith(ErrorCode::kCorrupt, "'a' occurs twice"));
  EXPECT_THAT(parse_json(as_bytes(R"([{"a":1},{"a":2}])"), 8), IsOk());
}

TEST(ParseJson, RefusesNestingThatIsDeeperThanAllowed) {
  EXPECT_THAT(parse_json(as_bytes("[[[]]]"), 3), IsOk());
  EXPECT_THAT(parse_json(as_bytes("[[[[]]]]"), 3), FailsWith(ErrorCode::kCorrupt, "deeper than 3"));
  EXPECT_THAT(parse_json(as_bytes(std::string(10'000'000, '[')), 64),
              FailsWith(ErrorCode::kCorrupt, "deeper than 64"));
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const std::string text :
       {"", "{", "{}x", "{\"a\":}", "[1,]", "nan", "1e999", "\"\xff\"", "'a'", "[1] // c"}) {
    EXPECT_THAT(parse_json(as_bytes(text), 8), FailsWith(ErrorCode::kCorrupt, "invalid JSON at byte"))
        << text;
  }
  EXPECT_THAT(parse_json(as_bytes(std::string_view("{}\0{", 4)), 8), FailsWith(ErrorCode::kCorrupt, "NUL"));
}

}  // namespace
}  // namespace assay
