#include "flow/fetch/catalog.h"

#include <cstdlib>
#include <set>

#include "flow/data_registry.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Catalog : public testing::Test {
 protected:
  Catalog() {
    setenv("ASSAY_MODELS_DIR", (folder_ / "models").c_str(), 1);
    setenv("HF_HUB_CACHE", (folder_ / "hub").c_str(), 1);
  }
  ~Catalog() override {
    unsetenv("ASSAY_MODELS_DIR");
    unsetenv("HF_HUB_CACHE");
  }
  void put(const fs::path& path) {
    fs::create_directories(path.parent_path());
    write_bytes(path, "x");
  }
  TempDir folder_;
};

TEST_F(Catalog, HasEveryNameOnceWithLicenceAndSource) {
  std::set<std::string> names;
  const auto items = catalog();
  ASSERT_THAT(items, IsOk());
  for (const auto& item : *items) {
    EXPECT_TRUE(names.insert(item.name).second) << item.name;
    EXPECT_FALSE(item.licence.empty()) << item.name;
    EXPECT_FALSE(item.source.empty()) << item.name;
    EXPECT_FALSE(item.present) << item.name;
  }
}

TEST_F(Catalog, FetchesNothingOverUnencryptedConnections) {
  const auto items = catalog();
  ASSERT_THAT(items, IsOk());
  for (const auto& item : *items) EXPECT_THAT(item.source, Not(HasSubstr("http://"))) << item.name;
}

TEST_F(Catalog, SeesWhatIsThere) {
  put(catalog_item("yolox-nano")->path);
  EXPECT_TRUE(catalog_item("yolox-nano")->present);
  put(catalog_item("coco-annotations")->path);
  EXPECT_TRUE(catalog_item("coco-annotations")->present);
}

TEST_F(Catalog, SeesASetOfPicturesOnlyWhenAllAreThere) {
  const fs::path folder = catalog_item("coco-train64")->path;
  for (const std::int32_t number : registered_web_pictures().front().numbers) {
    EXPECT_FALSE(catalog_item("coco-train64")->present);
    char name[32];
    std::snprintf(name, sizeof name, "%012d.jpg", number);
    put(folder / name);
  }
  EXPECT_TRUE(catalog_item("coco-train64")->present);
}

TEST_F(Catalog, DrawsScenesInsteadOfDownloadingThem) {
  const auto item = catalog_item("scenes");
  ASSERT_THAT(item, IsOk());
  EXPECT_THAT(not_there_yet(*item).message, HasSubstr("made here, nothing to download"));
  const auto set = picture_set("scenes");
  ASSERT_THAT(set, IsOk());
  put(set->annotations);
  EXPECT_FALSE(catalog_item("scenes")->present) << "calibration is missing";
  put(set->calibration.parent_path() / "annotations.json");
  EXPECT_TRUE(catalog_item("scenes")->present);
  NoProgress silent;
  EXPECT_TRUE(fetch_by_name("scenes", {}, {}, silent)->was_present);
}

TEST_F(Catalog, FindsTheFileOfASetOfPassages) {
  EXPECT_THAT(passages("lambada"), FailsWith(ErrorCode::kNotFound, "assay fetch lambada' first (1.8 MB"));
  const fs::path repository = folder_ / "hub/datasets--EleutherAI--lambada_openai";
  put(repository / "snapshots/abc/data/lambada_test.jsonl");
  fs::create_directories(repository / "refs");
  write_bytes(repository / "refs/main", "abc");
  EXPECT_EQ(*passages("lambada"), repository / "snapshots/abc/data/lambada_test.jsonl");
}

TEST_F(Catalog, TakesAnyRepositoryOfTheHub) {
  const auto item = catalog_item("hf:owner/some");
  ASSERT_THAT(item, IsOk());
  EXPECT_EQ(item->source, "huggingface.co/owner/some");
  EXPECT_THAT(not_there_yet(*item).message, HasSubstr("size not known"));
}

TEST_F(Catalog, RefusesANameThatItDoesNotHave) {
  EXPECT_THAT(catalog_item("nothing"), FailsWith(ErrorCode::kNotFound, "no such name"));
  EXPECT_THAT(picture_set("lambada"), FailsWith(ErrorCode::kNotFound, "no set of pictures"));
  EXPECT_THAT(passages("faces"), FailsWith(ErrorCode::kNotFound, "no set of passages"));
}

TEST_F(Catalog, NeedsPicturesAndAnnotationsOfCoco) {
  EXPECT_THAT(picture_set("coco-val2017")->items, testing::ElementsAre("coco-val2017", "coco-annotations"));
}

}  // namespace
}  // namespace assay
