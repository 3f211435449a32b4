#include "flow/generate.h"

#include "base/rng.h"
#include "support/testing.h"

namespace assay {
namespace {

const std::string kReplacement = "\xEF\xBF\xBD";

TEST(Utf8Stream, HandsOutOnlyWholeCharacters) {
  Utf8Stream stream;
  EXPECT_EQ(stream.add("a\xC3"), "a");
  EXPECT_EQ(stream.add("\xA4"), "\xC3\xA4");
  EXPECT_EQ(stream.add("\xF0\x9F"), "");
  EXPECT_EQ(stream.add("\x98"), "");
  EXPECT_EQ(stream.add("\x80!"), "\xF0\x9F\x98\x80!");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, ReplacesWhatCannotBecomeACharacter) {
  Utf8Stream stream;
  EXPECT_EQ(stream.add("\x80"), kReplacement);         // a continuation without a lead byte
  EXPECT_EQ(stream.add("\xC3z"), kReplacement + "z");  // a lead byte without a continuation
  EXPECT_EQ(stream.add("\xED\xA0\x80"), kReplacement + kReplacement + kReplacement);  // a surrogate
  EXPECT_EQ(stream.add("\xC0\xAF"), kReplacement + kReplacement);                     // an overlong slash
  EXPECT_EQ(stream.add("\xF4\x90"), kReplacement + kReplacement);                     // beyond U+10FFFF
}

TEST(Utf8Stream, ReplacesACharacterThatTheEndCutsOff) {
  Utf8Stream stream;
  EXPECT_EQ(stream.add("\xE2\x82"), "");
  EXPECT_EQ(stream.finish(), kReplacement);
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, DoesNotDependOnHowTheBytesAreCut) {
  constexpr std::uint64_t kSeed = 11;
  Rng rng(kSeed);
  std::string bytes;
  for (int i = 0; i < 2000; ++i)
    bytes += static_cast<char>("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80 az\xFF"[rng.below(13)]);
  Utf8Stream whole;
  const std::string expected = whole.add(bytes) + whole.finish();
  Utf8Stream parts;
  std::string got;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t count = std::min<std::size_t>(1 + rng.below(4), bytes.size() - begin);
    got += parts.add(std::string_view(bytes).substr(begin, count));
    begin += count;
  }
  EXPECT_EQ(got + parts.finish(), expected) << "seed " << kSeed;
}

}  // namespace
}  // namespace assay
