#include "scenes/scene.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <vector>

#include "base/digest.h"
#include "support/testing.h"

namespace assay::scenes {
namespace {

constexpr std::uint64_t kSeed = 11;
constexpr int kScenes = 60;

std::string hash_of(const Scene& scene) {
  return sha256_of(
      ByteView(reinterpret_cast<const std::byte*>(scene.image.rgb.data()), scene.image.rgb.size()));
}

std::vector<SceneObject> objects_of(std::uint64_t index) { return draw_scene(kSeed, index, {})->objects; }

TEST(Scene, IsTheSameInEveryByteOnEveryMachine) {
  // Pinned on x86-64: any other machine, compiler or level of optimization must give it too.
  const auto scene = draw_scene(1, 5, {});
  ASSERT_THAT(scene, IsOk());
  EXPECT_EQ(hash_of(*scene), "3ae7be2dcc551ee20b7d44e5dd8953c5d8e00434cf07f56a1e902685e7f15ec8");
  EXPECT_EQ(hash_of(*draw_scene(1, 5, {})), hash_of(*scene));
}

TEST(Scene, DiffersByIndexAndBySeed) {
  std::set<std::string> hashes;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    for (std::uint64_t index = 0; index < 5; ++index) hashes.insert(hash_of(*draw_scene(seed, index, {})));
  }
  EXPECT_EQ(hashes.size(), 25u);
}

TEST(Scene, HasBoxesInsideOfThePictureAroundWhatCanBeSeen) {
  for (std::uint64_t index = 0; index < kScenes; ++index) {
    const auto scene = draw_scene(kSeed, index, {200, 150});
    ASSERT_THAT(scene, IsOk());
    EXPECT_EQ(scene->image.width, 200);
    EXPECT_EQ(scene->image.rgb.size(), 200u * 150 * 3);
    EXPECT_GE(scene->objects.size(), 1u);
    EXPECT_LE(scene->objects.size(), static_cast<std::size_t>(kMaxObjects));
    for (const auto& object : scene->objects) {
      EXPECT_GE(object.left, 0);
      EXPECT_GE(object.top, 0);
      EXPECT_LE(object.right, 200);
      EXPECT_LE(object.bottom, 150);
      EXPECT_GT(object.visible_pixels, 0);
      EXPECT_LE(object.visible_pixels, (object.right - object.left) * (object.bottom - object.top));
    }
  }
}

TEST(Scene, HidesNoObjectBeyondTheLimit) {
  double least = 1;
  for (std::uint64_t index = 0; index < kScenes; ++index) {
    for (const auto& object : objects_of(index)) least = std::min(least, object.visible_fraction);
  }
  EXPECT_GE(least, kMinVisibleFraction);
  EXPECT_LT(least, 0.6) << "nothing is ever hidden";
}

TEST(Scene, HasEveryCategoryAndEveryRangeOfSizes) {
  std::set<Category> categories;
  int small = 0, medium = 0, large = 0;
  for (std::uint64_t index = 0; index < kScenes; ++index) {
    for (const auto& object : objects_of(index)) {
      categories.insert(object.category);
      ++(object.visible_pixels < 32 * 32 ? small : object.visible_pixels < 96 * 96 ? medium : large);
    }
  }
  EXPECT_EQ(categories.size(), static_cast<std::size_t>(kCategoryCount));
  EXPECT_GT(small, 40);
  EXPECT_GT(medium, 40);
  EXPECT_GT(large, 10);
}

// Where an object stands alone on a picture, its pixels differ from those around it, and the box says where.
TEST(Scene, DrawsWhereTheBoxesAre) {
  double inside = 0, outside = 0;
  for (std::uint64_t index = 0; index < kScenes; ++index) {
    const auto scene = draw_scene(kSeed, index, {});
    std::vector<bool> boxed(256 * 256);
    for (const auto& object : scene->objects) {
      for (int y = object.top; y < object.bottom; ++y) {
        for (int x = object.left; x < object.right; ++x) boxed[static_cast<std::size_t>(y) * 256 + x] = true;
      }
    }
    // Edges: differences of neighbours beyond what noise makes.
    std::array<double, 2> strong{}, all{};
    for (int y = 0; y < 256; ++y) {
      for (int x = 1; x < 256; ++x) {
        const std::uint8_t* p = scene->image.row(y) + 3 * x;
        const int step = std::abs(p[0] - p[-3]) + std::abs(p[1] - p[-2]) + std::abs(p[2] - p[-1]);
        const bool in = boxed[static_cast<std::size_t>(y) * 256 + x];
        ++all[in];
        strong[in] += step > 90;
      }
    }
    if (all[0] > 0) outside += strong[0] / all[0];
    if (all[1] > 0) inside += strong[1] / all[1];
  }
  EXPECT_GT(inside, 3 * outside);
}

TEST(Scene, RefusesSidesThatCannotBe) {
  EXPECT_THAT(draw_scene(1, 0, {63, 256}), FailsWith(ErrorCode::kInvalidArgument, "not 63"));
  EXPECT_THAT(draw_scene(1, 0, {256, 5000}), FailsWith(ErrorCode::kInvalidArgument, "not 5000"));
}

TEST(Outline, IsInsideSomewhereAndOutsideAtTheBorder) {
  for (int i = 0; i < kCategoryCount; ++i) {
    const auto category = static_cast<Category>(i);
    for (const float t : {0.0f, 0.5f, 1.0f}) {
      const Traits traits{{t, t, t}};
      float least = 1, border = 1;
      for (int k = 0; k <= 40; ++k) {
        const float u = -1.1f + 2.2f * static_cast<float>(k) / 40;
        for (int j = 0; j <= 40; ++j) {
          least = std::min(least, outline(category, traits, {u, -1.1f + 2.2f * static_cast<float>(j) / 40}));
        }
        for (const Point p : {Point{u, -1.06f}, Point{u, 1.06f}, Point{-1.06f, u}, Point{1.06f, u}})
          border = std::min(border, outline(category, traits, p));
      }
      EXPECT_LT(least, -0.03f) << category_names()[i];
      EXPECT_GT(border, 0) << category_names()[i];
    }
  }
}

}  // namespace
}  // namespace assay::scenes
