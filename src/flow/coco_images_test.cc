#include "flow/coco_images.h"

#include "support/testing.h"

namespace assay {
namespace {

Result<std::vector<CocoImage>> parse(const std::string& text) { return parse_coco_images(as_bytes(text)); }

TEST(CocoImages, ComeByAscendingId) {
  const auto images = parse(R"({"annotations": [{"id": 1, "images": [3]}], "info": {"a": 1},
      "images": [{"id": 9, "file_name": "b.jpg", "license": 4}, {"file_name": "a.jpg", "id": 2}]})");
  ASSERT_THAT(images, IsOk());
  ASSERT_EQ(images->size(), 2u);
  EXPECT_EQ((*images)[0].id, 2);
  EXPECT_EQ((*images)[0].file_name, "a.jpg");
  EXPECT_EQ((*images)[1].file_name, "b.jpg");
}

TEST(CocoImages, RefusesWhatIsNoAnnotationFile) {
  EXPECT_THAT(parse("{"), FailsWith(ErrorCode::kCorrupt, "not valid JSON (file truncated?)"));
  EXPECT_THAT(parse("[1]"), FailsWith(ErrorCode::kCorrupt, "not a JSON object"));
  EXPECT_THAT(parse(R"({"annotations": []})"), FailsWith(ErrorCode::kCorrupt, "no list \"images\""));
}

TEST(CocoImages, NamesTheRecordThatIsWrong) {
  EXPECT_THAT(parse(R"({"images": [{"id": 1, "file_name": "a"}, {"id": "x", "file_name": "b"}]})"),
              FailsWith(ErrorCode::kCorrupt, "record 2: \"id\""));
  EXPECT_THAT(parse(R"({"images": [{"id": 1}]})"),
              FailsWith(ErrorCode::kCorrupt, "record 1: \"file_name\" is missing"));
  EXPECT_THAT(parse(R"({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]})"),
              FailsWith(ErrorCode::kCorrupt, "id 1 is there twice"));
}

TEST(CocoImages, KeepsFileNamesInsideOfTheFolder) {
  EXPECT_THAT(parse(R"({"images": [{"id": 1, "file_name": "../a.jpg"}]})"),
              FailsWith(ErrorCode::kCorrupt, "leaves the folder"));
  EXPECT_THAT(parse(R"({"images": [{"id": 1, "file_name": "/etc/passwd"}]})"),
              FailsWith(ErrorCode::kCorrupt, "leaves the folder"));
}

TEST(CocoImages, AreCountedWhereTheyAreMissing) {
  const TempDir folder;
  write_bytes(folder / "b.jpg", "");
  const std::vector<CocoImage> images{{1, "a.jpg"}, {2, "b.jpg"}, {3, "c.jpg"}};
  EXPECT_THAT(
      check_pictures(images, folder.path()),
      FailsWith(ErrorCode::kNotFound, "2 of the 3 pictures of the annotations are not there, first a.jpg"));
  EXPECT_THAT(check_pictures({&images[1], 1}, folder.path()), IsOk());
  EXPECT_THAT(check_pictures(images, folder / "b.jpg"), FailsWith(ErrorCode::kNotFound, "is not a folder"));
}

}  // namespace
}  // namespace assay
