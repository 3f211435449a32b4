#include "flow/fetch/hub.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "flow/fetch/file_lock.h"
#include "flow/fetch/https_server_testing.h"
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
    return fetch_hub_model(kName, folder_.path(), {.first_pause = std::chrono::milliseconds(1)}, progress);
  }
  fs::path repository() const { return folder_ / "models--owner--tiny"; }
  fs::path target() const { return repository() / "snapshots" / kCommit; }
  // Where a content of this hash stands.
  fs::path content(const std::string& bytes) const { return repository() / "blobs" / sha256(bytes); }
  fs::path partial(const std::string& bytes) const { return content(bytes).string() + ".incomplete"; }
  void leave_partial(std::size_t num_bytes) const {
    fs::create_directories(repository() / "blobs");
    write_bytes(partial(weights_), weights_.substr(0, num_bytes));
  }
  std::string& served(const std::string& name) {
    return server_.bodies.at("/owner/tiny/resolve/" + std::string(kCommit) + "/" + name);
  }

  TempDir folder_;
  TestAuthority authority_;
  TestHttpsServer server_{authority_};
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
}

TEST_F(Hub, LaysTheFilesOutAsHuggingfaceHubDoes) {
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(fs::read_symlink(target() / "model.safetensors"), fs::path("../../blobs") / sha256(weights_));
  EXPECT_EQ(fs::read_symlink(target() / "config.json"),
            fs::path("../../blobs") / git_blob_id(as_bytes("{}")));
  EXPECT_EQ(read_bytes(repository() / "refs/main"), kCommit);
  for (const auto& entry : fs::directory_iterator(repository() / "blobs"))
    EXPECT_NE(entry.path().extension(), ".incomplete");
}

TEST_F(Hub, UsesAModelThatHuggingfaceHubBroughtWithoutAsking) {
  fs::create_directories(target());
  fs::create_directories(repository() / "refs");
  write_bytes(repository() / "refs/main", kCommit);
  write_bytes(target() / "config.json", "{}");
  write_bytes(target() / "model.safetensors", weights_);
  const auto report = fetch();
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->was_present);
  EXPECT_THAT(server_.requests(), testing::IsEmpty());
}

TEST_F(Hub, BringsOnlyTheContentsThatTheCacheLacks) {
  fs::create_directories(repository() / "blobs");
  write_bytes(content(weights_), weights_);
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(read_bytes(target() / "model.safetensors"), weights_);
  EXPECT_THAT(server_.requests(), testing::Not(Contains(HasSubstr("model.safetensors"))));
}

TEST_F(Hub, ReplacesAContentOfTheCacheThatIsNotWhatItsNameSays) {
  fs::create_directories(repository() / "blobs");
  write_bytes(content(weights_), "spoilt");
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(read_bytes(target() / "model.safetensors"), weights_);
}

TEST_F(Hub, ShowsNoFileOfAModelThatIsNotWhole) {
  server_.bodies.erase("/owner/tiny/resolve/" + std::string(kCommit) + "/tokenizer.json");
  EXPECT_THAT(fetch(), FailsWith(ErrorCode::kNotFound, "tokenizer.json"));
  EXPECT_FALSE(fs::exists(target()));
  EXPECT_FALSE(fs::exists(repository() / "refs/main"));
}

TEST_F(Hub, LeavesAFileToTheProcessThatIsFetchingIt) {
  const auto lock = FileLock::take(folder_ / ".locks" / "models--owner--tiny" / (sha256(weights_) + ".lock"));
  ASSERT_THAT(lock, IsOk());
  EXPECT_THAT(fetch(), FailsWith(ErrorCode::kIo, "another process"));
  EXPECT_FALSE(fs::exists(partial(weights_)));
}

TEST_F(Hub, BringsOneFileOfADataSet) {
  const std::string passages = "{\"text\": \"a b\"}\n";
  server_.bodies["/api/datasets/owner/set?blobs=true"] =
      json{{"sha", kCommit},
           {"siblings",
            {{{"rfilename", "data/test.jsonl"},
              {"size", passages.size()},
              {"blobId", git_blob_id(as_bytes(passages))}},
             {{"rfilename", "data/other.jsonl"}, {"size", 1}, {"blobId", std::string(40, 'a')}}}}}
          .dump();
  server_.bodies["/datasets/owner/set/resolve/" + std::string(kCommit) + "/data/test.jsonl"] = passages;
  NoProgress progress;
  const auto report =
      fetch_hub_file({"owner/set", true}, "data/test.jsonl", sha256(passages), folder_.path(), {}, progress);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->path, folder_ / "datasets--owner--set/snapshots" / kCommit / "data/test.jsonl");
  EXPECT_EQ(read_bytes(report->path), passages);
  EXPECT_THAT(
      fetch_hub_file({"owner/set", true}, "data/test.jsonl", sha256("x"), folder_.path(), {}, progress),
      FailsWith(ErrorCode::kCorrupt, "another content"));
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
  leave_partial(7);
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(read_bytes(target() / "model.safetensors"), weights_);
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Range: bytes=7-")));
}

TEST_F(Hub, StartsAgainWhereTheServerCannotGoOn) {
  server_.understands_range = false;
  leave_partial(7);
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(read_bytes(target() / "model.safetensors"), weights_);
}

TEST_F(Hub, RefusesContentWhoseHashIsWrong) {
  for (const std::string name : {"model.safetensors", "config.json"}) {
    const std::string right = served(name);
    served(name)[0] ^= 1;
    EXPECT_THAT(fetch(), FailsWith(ErrorCode::kCorrupt, name)) << name;
    EXPECT_FALSE(fs::exists(target()));
    EXPECT_FALSE(fs::exists(partial(weights_)));
    served(name) = right;
    fs::remove_all(repository());
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
  TestHttpsServer storage(authority_);
  storage.bodies["/blob"] = weights_;
  const std::string path = "/owner/tiny/resolve/" + std::string(kCommit) + "/model.safetensors";
  // Another name for the same machine: for libcurl another host.
  server_.redirects[path] = "https://localhost:" + std::to_string(storage.port()) + "/blob";
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
    EXPECT_THAT(fetch_hub_model(name, folder.path(), {}, progress),
                FailsWith(ErrorCode::kInvalidArgument, "hf:OWNER/NAME"))
        << name;
  }
}

class HubCache : public testing::Test {
 protected:
  HubCache() {
    fs::create_directories(snapshot_);
    fs::create_directories(folder_ / "models--owner--tiny/refs");
    write_bytes(folder_ / "models--owner--tiny/refs/main", kCommit);
    write_bytes(snapshot_ / "config.json", "{}");
  }
  bool is_whole() const { return hub_model_snapshot(folder_.path(), kName).has_value(); }

  TempDir folder_;
  fs::path snapshot_ = folder_ / "models--owner--tiny/snapshots" / kCommit;
};

TEST_F(HubCache, TakesASnapshotWithoutWeightsForNoModel) {
  EXPECT_FALSE(is_whole());
  write_bytes(snapshot_ / "model.safetensors", "w");
  EXPECT_TRUE(is_whole());
}

TEST_F(HubCache, MissesAPartThatTheIndexNames) {
  write_bytes(snapshot_ / "model.safetensors.index.json",
              R"({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})");
  write_bytes(snapshot_ / "model-1.safetensors", "w");
  EXPECT_FALSE(is_whole());
  write_bytes(snapshot_ / "model-2.safetensors", "w");
  EXPECT_TRUE(is_whole());
}

TEST_F(HubCache, MissesAContentThatWasRemovedBehindItsLink) {
  fs::create_symlink("../../blobs/gone", snapshot_ / "model.safetensors");
  EXPECT_FALSE(is_whole());
}

TEST_F(HubCache, RefusesAReferenceThatLeavesTheFolder) {
  write_bytes(snapshot_ / "model.safetensors", "w");
  write_bytes(folder_ / "models--owner--tiny/refs/main", "../snapshots/" + std::string(kCommit));
  EXPECT_FALSE(is_whole());
}

TEST(HubCacheFolder, FollowsTheVariablesOfHuggingfaceHub) {
  const auto folder = [] { return hub_cache_folder()->string(); };
  const char* home = std::getenv("HOME");
  const std::string before = home != nullptr ? home : "";
  for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) unsetenv(name);
  setenv("HOME", "/h", 1);
  EXPECT_EQ(folder(), "/h/.cache/huggingface/hub");
  setenv("XDG_CACHE_HOME", "/x", 1);
  EXPECT_EQ(folder(), "/x/huggingface/hub");
  setenv("HF_HOME", "/f", 1);
  EXPECT_EQ(folder(), "/f/hub");
  setenv("HF_HUB_CACHE", "/c", 1);
  EXPECT_EQ(folder(), "/c");
  for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) unsetenv(name);
  setenv("HOME", before.c_str(), 1);
}

}  // namespace
}  // namespace assay
