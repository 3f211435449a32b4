#include "detect/heads/class_map.h"

#include "support/testing.h"

namespace assay::detect {
namespace {

ClassMap map_named(const std::string& name) {
  auto map = class_map_from_name(name);
  EXPECT_THAT(map, IsOk());
  return map ? *map : ClassMap{};
}

TEST(ClassMap, HoldsEightyCategoriesWithRisingIdsAndTenGaps) {
  const auto& categories = coco_categories();
  for (std::size_t i = 1; i < categories.size(); ++i) EXPECT_LT(categories[i - 1].id, categories[i].id);
  EXPECT_EQ(categories.front().id, 1);
  EXPECT_EQ(categories.back().id, 90);
}

TEST(ClassMap, GivesEachNumberingItsIds) {
  const ClassMap coco80 = map_named("coco80"), coco90 = map_named("coco90"), coco91 = map_named("coco91");
  EXPECT_EQ(coco80.category_id(0), 1);
  EXPECT_EQ(coco80.category_id(11), 13);
  EXPECT_EQ(coco80.category_id(79), 90);
  EXPECT_EQ(coco90.category_id(0), 1);
  EXPECT_EQ(coco90.category_id(89), 90);
  EXPECT_EQ(coco91.category_id(1), 1);
  EXPECT_EQ(coco91.category_id(90), 90);
  EXPECT_EQ(coco80.category_name(62), "tv");
  EXPECT_EQ(coco91.category_name(72), "tv");
}

TEST(ClassMap, KnowsNoCategoryInTheGapsAndOutside) {
  const ClassMap coco91 = map_named("coco91");
  for (const int index : {-1, 0, 12, 26, 83, 91, 1000}) {
    EXPECT_EQ(coco91.category_id(index), ClassMap::kNoCategory) << index;
    EXPECT_EQ(coco91.category_name(index), "") << index;
  }
  EXPECT_EQ(map_named("coco90").category_id(11), ClassMap::kNoCategory);
}

TEST(ClassMap, FollowsTheClassCountAndRefusesOthers) {
  EXPECT_EQ(coco_class_map(HeadKind::kYolox, 80)->name, "coco80");
  EXPECT_EQ(coco_class_map(HeadKind::kSsd, 90)->name, "coco90");
  EXPECT_EQ(coco_class_map(HeadKind::kTfliteDetection, 0)->name, "coco90");
  EXPECT_EQ(coco_class_map(HeadKind::kDetr, 91)->name, "coco91");
  EXPECT_THAT(coco_class_map(HeadKind::kYolov8, 20), FailsWith(ErrorCode::kUnsupported, "20 classes"));
  EXPECT_THAT(class_map_from_name("voc"), FailsWith(ErrorCode::kInvalidArgument, "coco80, coco90, coco91 or face"));
}

}  // namespace
}  // namespace assay::detect
