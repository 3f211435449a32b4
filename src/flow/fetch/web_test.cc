#include "flow/fetch/web.h"

#include <zip.h>

#include "base/digest.h"
#include "flow/fetch/https_server_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string sha256(const std::string& text) {
  Sha256 hash;
  hash.add(as_bytes(text));
  return hash.finish();
}

std::string zip_of(const std::map<std::string, std::string>& files) {
  const TempDir folder;
  const fs::path path = folder / "made.zip";
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE, &code);
  for (const auto& [name, content] : files) {
    zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
    zip_file_add(archive, name.c_str(), source, 0);
  }
  zip_close(archive);
  return read_bytes(path);
}

class Web : public testing::Test {
 protected:
  // Serves the archive and describes it.
  RegisteredArchive serve(const std::map<std::string, std::string>& files, std::string_view member,
                          std::uint64_t num_files) {
    zip_ = zip_of(files);
    hash_ = sha256(zip_);
    address_ = server_.url() + "/val.zip";
    server_.bodies["/val.zip"] = zip_;
    return {"set", "", "", address_, zip_.size(), hash_, member, num_files, "coco/val"};
  }
  Result<FetchReport> fetch(const RegisteredArchive& archive) {
    return fetch_web_archive(archive, folder_.path(), options_, progress_);
  }
  fs::path target() const { return folder_ / "coco/val"; }
  fs::path partial() const { return folder_ / "coco/val.zip.partial"; }

  TempDir folder_;
  TestAuthority authority_;
  TestHttpsServer server_{authority_};
  HttpOptions options_{.first_pause = std::chrono::milliseconds(1)};
  NoProgress progress_;
  std::string zip_, hash_, address_;
  const std::map<std::string, std::string> pictures_{
      {"val/1.jpg", std::string(5000, 'a')}, {"val/2.jpg", "b"}, {"other/3.jpg", "c"}};
};

TEST_F(Web, UnpacksTheFolderOfAnArchiveAndKeepsNothingElse) {
  const auto report = fetch(serve(pictures_, "val/", 2));
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->path, target());
  EXPECT_EQ(read_bytes(target() / "1.jpg"), std::string(5000, 'a'));
  EXPECT_EQ(read_bytes(target() / "2.jpg"), "b");
  EXPECT_EQ(std::distance(fs::directory_iterator(target()), {}), 2);
  EXPECT_FALSE(fs::exists(partial()));
}

TEST_F(Web, UnpacksASingleFile) {
  ASSERT_THAT(fetch(serve(pictures_, "val/2.jpg", 1)), IsOk());
  EXPECT_EQ(read_bytes(target()), "b");
}

TEST_F(Web, LeavesAloneWhatWasUnpacked) {
  const RegisteredArchive archive = serve(pictures_, "val/", 2);
  ASSERT_THAT(fetch(archive), IsOk());
  const std::size_t requests = server_.requests().size();
  EXPECT_TRUE(fetch(archive)->was_present);
  EXPECT_EQ(server_.requests().size(), requests);
}

TEST_F(Web, GoesOnWithAnArchiveThatAnEarlierRunBegan) {
  const RegisteredArchive archive = serve(pictures_, "val/", 2);
  fs::create_directories(partial().parent_path());
  write_bytes(partial(), zip_.substr(0, 20));
  ASSERT_THAT(fetch(archive), IsOk());
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Range: bytes=20-")));
}

TEST_F(Web, ForgetsAnArchiveWithWrongBytes) {
  const RegisteredArchive archive = serve(pictures_, "val/", 2);
  server_.bodies["/val.zip"][40] ^= 1;
  EXPECT_THAT(fetch(archive), FailsWith(ErrorCode::kCorrupt, hash_));
  EXPECT_FALSE(fs::exists(target()));
  EXPECT_FALSE(fs::exists(partial()));
}

TEST_F(Web, ShowsNoFolderOfAnArchiveThatLacksFiles) {
  EXPECT_THAT(fetch(serve(pictures_, "val/", 3)), FailsWith(ErrorCode::kCorrupt, "has 2 files in val/"));
  EXPECT_FALSE(fs::exists(target()));
}

TEST_F(Web, UnpacksNothingOutsideOfItsFolder) {
  const RegisteredArchive archive =
      serve({{"val/../escaped.jpg", "x"}, {"val/deep/er.jpg", "x"}, {"val/.hidden", "x"}, {"val/1.jpg", "a"}},
            "val/", 1);
  ASSERT_THAT(fetch(archive), IsOk());
  EXPECT_EQ(std::distance(fs::directory_iterator(target()), {}), 1);
  EXPECT_FALSE(fs::exists(folder_ / "coco/escaped.jpg"));
}

TEST_F(Web, CleansUpAfterAnUnpackingThatWasKilled) {
  fs::create_directories(target().string() + ".unpacking");
  write_bytes(target().string() + ".unpacking/half.jpg", "x");
  ASSERT_THAT(fetch(serve(pictures_, "val/", 2)), IsOk());
  EXPECT_FALSE(fs::exists(target() / "half.jpg"));
}

TEST_F(Web, BringsSinglePicturesAndOnlyThoseThatAreMissing) {
  static constexpr std::int32_t kNumbers[] = {9, 25};
  const std::string picture = "\xff\xd8 picture \xff\xd9";
  server_.bodies["/train/000000000009.jpg"] = server_.bodies["/train/000000000025.jpg"] = picture;
  const std::string url = server_.url() + "/train";
  const RegisteredWebPictures set{"set", "", "", url, kNumbers, 0, "train"};
  fs::create_directories(folder_ / "train");
  write_bytes(folder_ / "train/000000000009.jpg", "mine");
  ASSERT_THAT(fetch_web_pictures(set, folder_.path(), options_, progress_), IsOk());
  EXPECT_EQ(read_bytes(folder_ / "train/000000000025.jpg"), picture);
  EXPECT_EQ(read_bytes(folder_ / "train/000000000009.jpg"), "mine");
  EXPECT_THAT(server_.requests(), Not(Contains(HasSubstr("000000000009"))));
}

TEST_F(Web, RefusesAPictureThatIsCutOff) {
  static constexpr std::int32_t kNumbers[] = {9};
  server_.bodies["/train/000000000009.jpg"] = "\xff\xd8 pic";
  const std::string url = server_.url() + "/train";
  EXPECT_THAT(
      fetch_web_pictures({"set", "", "", url, kNumbers, 0, "train"}, folder_.path(), options_, progress_),
      FailsWith(ErrorCode::kCorrupt, "000000000009.jpg"));
  EXPECT_THAT(fs::exists(folder_ / "train/000000000009.jpg"), false);
}

TEST_F(Web, ReplacesAModelWhoseHashIsWrong) {
  server_.bodies["/m.tflite"] = "model";
  const std::string hash = sha256("model"), url = server_.url() + "/m.tflite";
  RegisteredModel model{"m", ModelKind::kDetector, "", "", "m.tflite", hash, 5, 5, {}, url};
  write_bytes(folder_ / "m.tflite", "spoilt");
  ASSERT_THAT(fetch_web_model(model, folder_.path(), options_, progress_), IsOk());
  EXPECT_EQ(read_bytes(folder_ / "m.tflite"), "model");
  EXPECT_TRUE(fetch_web_model(model, folder_.path(), options_, progress_)->was_present);
}

}  // namespace
}  // namespace assay
