#include "text/unicode.h"

#include "support/testing.h"

namespace assay::text {
namespace {

TEST(Utf8, NamesTheFirstIllFormedByte) {
  EXPECT_EQ(find_invalid_utf8(""), std::nullopt);
  EXPECT_EQ(find_invalid_utf8(std::string("a\0\u00e9\u4e2d\U0010ffff", 11)), std::nullopt);
  const std::pair<std::string, std::size_t> cases[] = {{"ab\x80", 2},
                                                       {"\xC0\x80", 0},
                                                       {"a\xC3", 1},
                                                       {"\xE0\x9F\xBF", 0},
                                                       {"\xED\xA0\x80", 0},
                                                       {"\xFF", 0},
                                                       {"\xC1\xBF", 0},
                                                       {"\xF0\x8F\xBF\xBF", 0},
                                                       {"\xF4\x90\x80\x80", 0},
                                                       {"\u00e9\xF1\x80\x80", 2}};
  for (const auto& [bytes, offset] : cases)
    EXPECT_EQ(find_invalid_utf8(bytes), offset) << testing::PrintToString(bytes);
}

// The examples of the Unicode standard, section 3.9, tables 3-9 to 3-11.
TEST(Utf8, ReplacesEachMaximalIllFormedPart) {
  const std::string r = "\uFFFD";
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82"
                                 "A"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF"
                                 "A"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                                 "A"),
            r + r + r + r + "A");
}

TEST(Utf8, IsWrittenAsItIsReadForAllCodePoints) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string utf8;
    append_utf8(c, &utf8);
    std::size_t at = 0;
    ASSERT_EQ(next_code_point(utf8, &at), c);
    ASSERT_EQ(at, utf8.size());
    ASSERT_EQ(find_invalid_utf8(utf8), std::nullopt);
  }
}

TEST(NormalForm, FollowsTheExamplesOfUax15) {
  EXPECT_EQ(*to_normal_form("A\u030a \u212b", NormalForm::kNfc), "\u00c5 \u00c5");
  EXPECT_EQ(*to_normal_form("\u1e9b\u0323", NormalForm::kNfc), "\u1e9b\u0323");
  EXPECT_EQ(*to_normal_form("\u1e9b\u0323", NormalForm::kNfd), "\u017f\u0323\u0307");
  EXPECT_EQ(*to_normal_form("\u1e9b\u0323", NormalForm::kNfkc), "\u1e69");
  EXPECT_EQ(*to_normal_form("\u1e9b\u0323", NormalForm::kNfkd), "s\u0323\u0307");
  EXPECT_EQ(*to_normal_form(std::string("e\u0301\0x", 5), NormalForm::kNfc), std::string("\u00e9\0x", 4));
}

TEST(Lowercase, MapsEachCodePointByItself) {
  EXPECT_EQ(to_lowercase("\u0130\u03a3\u1e9e ABC"), "i\u0307\u03c3\u00df abc");
}

TEST(Properties, AreThoseOfUnicode) {
  for (const char32_t c : {U'\t', U'\r', U' ', U'\u0085', U'\u00a0', U'\u3000'})
    EXPECT_TRUE(is_white_space(c));
  for (const char32_t c : {U'\u180e', U'\u200b', U'\ufeff', U'\x1c', U'a'}) EXPECT_FALSE(is_white_space(c));
  for (const char32_t c : {U'0', U'\u0663', U'\u00b2', U'\u00bd', U'\u2167', U'\u3007'})
    EXPECT_TRUE(is_numeric(c));
  for (const char32_t c : {U'a', U' ', U'\u4e00', U'-'}) EXPECT_FALSE(is_numeric(c));
}

}  // namespace
}  // namespace assay::text
