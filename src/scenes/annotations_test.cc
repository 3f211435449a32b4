#include "scenes/annotations.h"

#include "support/testing.h"

namespace assay::scenes {
namespace {

TEST(SceneAnnotations, SayWhatCocoWantsToKnow) {
  Annotations annotations(7, {320, 240});
  annotations.add(12, {{Category::kStar, 10, 20, 40, 70, 900, 0.5}, {Category::kBall, 0, 0, 9, 8, 60, 1.0}});
  annotations.add(13, {{Category::kMushroom, 1, 2, 3, 4, 4, 1.0}});
  const auto json = annotations.to_json();
  EXPECT_EQ(json["images"][0].dump(), R"({"id":12,"file_name":"000012.png","width":320,"height":240})");
  EXPECT_EQ(json["annotations"][0].dump(),
            R"({"id":1,"image_id":12,"category_id":3,"bbox":[10,20,30,50],"area":900,"iscrowd":0})");
  EXPECT_EQ(json["annotations"][2]["id"], 3);
  EXPECT_EQ(json["annotations"][2]["image_id"], 13);
  EXPECT_EQ(annotations.object_count(), 3u);
  ASSERT_EQ(json["categories"].size(), 10u);
  EXPECT_EQ(json["categories"][3].dump(), R"({"id":3,"name":"star"})");
}

TEST(SceneAnnotations, NameFilesWithSixDigitsOrMore) {
  EXPECT_EQ(file_name(0), "000000.png");
  EXPECT_EQ(file_name(1234567), "1234567.png");
}

}  // namespace
}  // namespace assay::scenes
