#include "flow/picture_registry.h"

#include <set>
#include <string>

#include "flow/coco_images.h"
#include "support/testing.h"

namespace assay {
namespace {

TEST(PictureRegistry, HasEveryPictureOnceAndThoseOfOnePackageTogether) {
  for (const RegisteredPictures& set : registered_pictures()) {
    std::set<std::string_view> files, hashes, packages;
    std::string_view last;
    for (const RegisteredPicture& picture : set.pictures) {
      EXPECT_TRUE(files.insert(picture.file).second) << picture.file;
      EXPECT_TRUE(hashes.insert(picture.sha256).second) << picture.file;
      EXPECT_EQ(picture.sha256.size(), 64u) << picture.file;
      if (picture.from.package == last) continue;
      last = picture.from.package;
      EXPECT_TRUE(packages.insert(last).second) << last << " would be downloaded twice";
    }
  }
}

TEST(PictureRegistry, AnnotatesExactlyTheFacesToEvaluateOn) {
  const RegisteredPictures* faces = find_registered_pictures("faces");
  ASSERT_NE(faces, nullptr);
  std::set<std::string> registered, annotated;
  constexpr std::string_view kFolder = "evaluation/";
  for (const RegisteredPicture& picture : faces->pictures) {
    if (picture.file.starts_with(kFolder)) registered.emplace(picture.file.substr(kFolder.size()));
  }
  const std::string json = read_bytes(ASSAY_FACES_ANNOTATIONS);
  const auto images = parse_coco_images(as_bytes(json));
  ASSERT_THAT(images, IsOk());
  for (const CocoImage& image : *images) annotated.insert(image.file_name);
  EXPECT_EQ(annotated, registered);
}

}  // namespace
}  // namespace assay
