#include "base/digest.h"

#include "support/testing.h"

namespace assay {
namespace {

// FIPS 180-2, appendix B.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kTwoBlocks = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";

TEST(Sha256, GivesTheKnownDigests) {
  Sha256 one;
  one.add(as_bytes("abc"));
  EXPECT_EQ(one.finish(), kAbc);
  Sha256 parts;
  parts.add(as_bytes("abcdbcdecdefdefgefghfghighijhijk"));
  parts.add(as_bytes("ijkljklmklmnlmnomnopnopq"));
  EXPECT_EQ(parts.finish(), kTwoBlocks);
}

TEST(Sha256, ReadsAWholeFile) {
  const TempDir folder;
  write_bytes(folder / "abc", "abc");
  ASSERT_THAT(sha256_of_file(folder / "abc"), IsOk());
  EXPECT_EQ(*sha256_of_file(folder / "abc"), kAbc);
  EXPECT_THAT(sha256_of_file(folder / "none"), FailsWith(ErrorCode::kNotFound, "none"));
}

TEST(GitBlobId, IsWhatGitHashObjectPrints) {
  EXPECT_EQ(git_blob_id({}), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(git_blob_id(as_bytes("hello\n")), "ce013625030ba8dba906f756967f9e9ca394464a");
}

}  // namespace
}  // namespace assay
