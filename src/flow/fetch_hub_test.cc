#include "flow/fetch_hub.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "flow/digest.h"
#include "flow/http_server_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";
constexpr const char* kName = "hf:owner/tiny";

std::string sha256(const std::string& text) {
  Sha256 hash;
  hash.add(as_bytes(text));
  return hash.finish();
}

// A hub with one repository.
class Hub : public testing::Test {
 protected:
  Hub() {
    setenv("HF_ENDPOINT", server_.url().c_str(), 1);
    unsetenv("HF_TOKEN");
    add("config.json", "{}", false);
    add("model.safetensors", weights_, true);
    add("tokenizer.json", "{\"a\": 1}", false);
    add("pytorch_model.bin", "not wanted", true);
    add("onnx/model.safetensors", "not wanted", true);
    publish(kCommit);
  }
  ~Hub() override { unsetenv("HF_ENDPOINT"); }

  void add(const std::string& name, const std::string& content, bool large) {
    json entry{{"rfilename", name}, {"size", content.size()}, {"blobId", git_blob_id(as_bytes(content))}};
    if (large) entry["lfs"] = {{"sha256", sha256(content)}, {"size", content.size()}};
    siblings_.push_back(entry);
    server_.bodies["/owner/tiny/resolve/" + std::string(kCommit) + "/" + name] = content;
  }
  void publish(const std::string& commit) {
    server_.bodies["/api/models/owner/tiny?blobs=true"] =
        json{{"sha", commit}, {"siblings", siblings_}}.dump();
  }
  Result<FetchReport> fetch() {
    NoProgress progress;
    return fetch_hub_model(kName, folder_.path(), progress);
  }
  fs::path target() const { return folder_ / "hf/owner/tiny"; }
  std::string& served(const std::string& name) {
    return server_.bodies.at("/owner/tiny/resolve/" + std::string(kCommit) + "/" + name);
  }

  TempDir folder_;
  TestHttpServer server_;
  json siblings_ = json::array();
  const std::string weights_ = std::string(300'000, 'w') + "end";
};

TEST_F(Hub, BringsTheFilesThatMakeAModelAndNoOthers) {
  const auto report = fetch();
  ASSERT_THAT(report, IsOk());
  EXPECT_FALSE(report->was_present);
  EXPECT_EQ(report->path, target());
  EXPECT_EQ(read_bytes(target() / "model.safetensors"), weights_);
  EXPECT_EQ(read_bytes(target() / "config.json"), "{}");
  EXPECT_FALSE(fs::exists(target() / "pytorch_model.bin"));
  EXPECT_FALSE(fs::exists(target() / "onnx"));
  EXPECT_FALSE(fs::exists(target().string() + ".partial"));
}

TEST_F(Hub, LeavesAloneWhatIsThere) {
  ASSERT_THAT(fetch(), IsOk());
  const std::size_t requests = server_.requests().size();
  const auto again = fetch();
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->was_present);
  EXPECT_EQ(server_.requests().size(), requests);
}

TEST_F(Hub, TakesABrokenConnectionUpAgainWhereItBroke) {
  server_.break_after_bytes = 100'000;
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(read_bytes(target() / "model.safetensors"), weights_);
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Range: bytes=100000-")));
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Range: bytes=200000-")));
}

TEST_F(Hub, GoesOnFromWhatAnEarlierRunLeft) {
  fs::create_directories(target().string() + ".partial");
  write_bytes(target().string() + ".partial/.revision", kCommit);
  write_bytes(target().string() + ".partial/model.safetensors", weights_.substr(0, 7));
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(read_bytes(target() / "model.safetensors"), weights_);
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Range: bytes=7-")));
}

TEST_F(Hub, ForgetsWhatIsOfAnotherRevision) {
  fs::create_directories(target().string() + ".partial");
  write_bytes(target().string() + ".partial/.revision", std::string(40, 'f'));
  write_bytes(target().string() + ".partial/model.safetensors", "other");
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(read_bytes(target() / "model.safetensors"), weights_);
  EXPECT_THAT(server_.requests(), testing::Not(Contains(HasSubstr("Range: bytes=5-"))));
}

TEST_F(Hub, StartsAgainWhereTheServerCannotGoOn) {
  server_.understands_range = false;
  fs::create_directories(target().string() + ".partial");
  write_bytes(target().string() + ".partial/.revision", kCommit);
  write_bytes(target().string() + ".partial/model.safetensors", weights_.substr(0, 7));
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(read_bytes(target() / "model.safetensors"), weights_);
}

TEST_F(Hub, RefusesContentWhoseHashIsWrong) {
  for (const std::string name : {"model.safetensors", "config.json"}) {
    const std::string right = served(name);
    served(name)[0] ^= 1;
    EXPECT_THAT(fetch(), FailsWith(ErrorCode::kCorrupt, name)) << name;
    EXPECT_FALSE(fs::exists(target()));
    served(name) = right;
    fs::remove_all(target().string() + ".partial");
  }
  EXPECT_THAT(fetch(), IsOk());
}

TEST_F(Hub, RefusesAFileOfAnotherLength) {
  served("config.json") += " ";
  EXPECT_THAT(fetch(), FailsWith(ErrorCode::kIo, "config.json"));
  served("config.json") = "{";
  EXPECT_THAT(fetch(), FailsWith(ErrorCode::kIo, "config.json"));
  EXPECT_FALSE(fs::exists(target()));
}

TEST_F(Hub, NamesWhatIsMissing) {
  server_.bodies.erase("/api/models/owner/tiny?blobs=true");
  EXPECT_THAT(fetch(), FailsWith(ErrorCode::kNotFound, "/api/models/owner/tiny"));
}

TEST_F(Hub, RefusesAnswersThatAreNotAsTheyShouldBe) {
  for (const std::string answer :
       {"", "[]", "{}", R"({"sha": "x", "siblings": []})",
        R"({"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": [{"rfilename": "config.json"}]})",
        R"({"sha": "../../../../../../../../../../../../../..", "siblings": []})"}) {
    server_.bodies["/api/models/owner/tiny?blobs=true"] = answer;
    EXPECT_THAT(fetch(), FailsWith(ErrorCode::kCorrupt, "/api/models/owner/tiny")) << answer;
  }
}

TEST_F(Hub, RefusesARepositoryWithoutSafetensors) {
  siblings_.erase(1);
  publish(kCommit);
  EXPECT_THAT(fetch(), FailsWith(ErrorCode::kUnsupported, "safetensors"));
}

TEST_F(Hub, SendsTheTokenToTheHubAndNotToWhereItRedirects) {
  TestHttpServer storage;
  storage.bodies["/blob"] = weights_;
  const std::string path = "/owner/tiny/resolve/" + std::string(kCommit) + "/model.safetensors";
  // Another name for the same machine: for libcurl another host.
  server_.redirects[path] =
      "http://localhost:" + storage.url().substr(storage.url().rfind(':') + 1) + "/blob";
  setenv("HF_TOKEN", "for-the-hub-only", 1);
  ASSERT_THAT(fetch(), IsOk());
  unsetenv("HF_TOKEN");
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Authorization: Bearer for-the-hub-only")));
  for (const auto& request : storage.requests())
    EXPECT_THAT(request, testing::Not(HasSubstr("Authorization")));
}

TEST(FetchHub, RefusesNamesThatCouldLeaveTheFolder) {
  const TempDir folder;
  NoProgress progress;
  for (const std::string name : {"owner/tiny", "hf:tiny", "hf:../tiny", "hf:owner/..", "hf:owner/a/b",
                                 "hf:/tiny", "hf:owner/", "hf:ow ner/tiny"}) {
    EXPECT_THAT(fetch_hub_model(name, folder.path(), progress),
                FailsWith(ErrorCode::kInvalidArgument, "hf:OWNER/NAME"))
        << name;
  }
}

}  // namespace
}  // namespace assay
