#include "flow/fetch/http.h"

#include <cstdlib>

#include "flow/fetch/https_server_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// A server with one file, and a place for it.
class Https : public testing::Test {
 protected:
  Https() { server_.bodies["/file"] = content_; }

  Status download() {
    return http_download(address(), path_, content_.size(), options_, [](std::uint64_t) {});
  }
  std::string address() const { return server_.url() + "/file"; }

  TempDir folder_;
  const std::filesystem::path path_ = folder_ / "file";
  TestAuthority authority_;
  TestHttpsServer server_{authority_};
  const std::string content_ = std::string(300'000, 'x') + "end";
  HttpOptions options_{.first_pause = std::chrono::milliseconds(1)};
};

TEST_F(Https, TakesAConnectionThatBreaksMidBodyUpAgainWhereItBroke) {
  server_.break_after_bytes = 100'000;
  ASSERT_THAT(download(), IsOk());
  EXPECT_EQ(read_bytes(path_), content_);
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Range: bytes=100000-")));
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Range: bytes=200000-")));
}

TEST_F(Https, KeepsWhatArrivedWhenConnectionsBreakForGood) {
  server_.break_after_bytes = 0;
  write_bytes(path_, content_.substr(0, 1000));
  EXPECT_THAT(download(), FailsWith(ErrorCode::kIo, "/file"));
  EXPECT_EQ(read_bytes(path_), content_.substr(0, 1000));
  EXPECT_THAT(server_.requests(), SizeIs(5));
}

TEST_F(Https, TakesTheWholeFileOfAServerThatAnnouncesMoreThanItSends) {
  server_.length_lie = 10;
  ASSERT_THAT(download(), IsOk());
  EXPECT_EQ(read_bytes(path_), content_);
}

TEST_F(Https, RefusesAFileThatTheServerAnnouncesShorterThanItIs) {
  server_.length_lie = -10;
  EXPECT_THAT(download(), FailsWith(ErrorCode::kIo, "300003 were announced"));
}

TEST_F(Https, RefusesAFileThatIsLongerThanItShouldBe) {
  server_.bodies["/file"] += "more";
  EXPECT_THAT(download(), FailsWith(ErrorCode::kIo, "longer than the 300003 bytes"));
}

TEST_F(Https, TriesAgainAfterErrorsOfTheServer) {
  server_.failures_first = 3;
  ASSERT_THAT(download(), IsOk());
  EXPECT_EQ(read_bytes(path_), content_);
  EXPECT_THAT(server_.requests(), SizeIs(4));
}

TEST_F(Https, TriesAnAnswerAgainAsWell) {
  server_.failures_first = 3;
  const auto answer = http_get(address(), 1 << 20, options_);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(*answer, content_);
}

TEST_F(Https, GivesUpAfterFiveErrorsOfTheServer) {
  server_.failures_first = 100;
  EXPECT_THAT(download(), FailsWith(ErrorCode::kIo, "500"));
  EXPECT_THAT(server_.requests(), SizeIs(5));
}

TEST_F(Https, DoublesThePauseBeforeEachFurtherAttempt) {
  server_.failures_first = 100;
  options_.first_pause = std::chrono::milliseconds(40);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(download(), FailsWith(ErrorCode::kIo, "500"));
  // 40 + 80 + 160 + 320; a pause that does not grow would come to 160.
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(600));
}

TEST_F(Https, DoesNotAskAgainForWhatIsNotThere) {
  server_.bodies.clear();
  EXPECT_THAT(download(), FailsWith(ErrorCode::kNotFound, "404"));
  EXPECT_THAT(server_.requests(), SizeIs(1));
}

TEST_F(Https, StartsAgainWhereTheServerIgnoresRanges) {
  server_.understands_range = false;
  write_bytes(path_, "other");
  ASSERT_THAT(download(), IsOk());
  EXPECT_EQ(read_bytes(path_), content_);
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Range: bytes=5-")));
}

TEST_F(Https, RefusesAServerThatNoKnownAuthorityVouchesFor) {
  unsetenv("CURL_CA_BUNDLE");
  EXPECT_THAT(download(), FailsWith(ErrorCode::kIo, "certificate"));
  EXPECT_THAT(server_.requests(), IsEmpty());
}

TEST_F(Https, IsNeverLedToAnUnencryptedAddress) {
  server_.redirects["/file"] = "http://127.0.0.1:" + std::to_string(server_.port()) + "/other";
  EXPECT_THAT(download(), FailsWith(ErrorCode::kIo, "http"));
  EXPECT_THAT(server_.requests(), SizeIs(1));
}

TEST_F(Https, AsksTheProxyOfTheEnvironment) {
  TestHttpsServer proxy(authority_);
  setenv("HTTPS_PROXY", proxy.url().c_str(), 1);
  const Status status = download();
  unsetenv("HTTPS_PROXY");
  EXPECT_THAT(status, Not(IsOk()));  // this one refuses to pass anything on
  EXPECT_THAT(proxy.requests(), Contains(HasSubstr("CONNECT 127.0.0.1:" + std::to_string(server_.port()))));
  EXPECT_THAT(server_.requests(), IsEmpty());
}

}  // namespace
}  // namespace assay
