#include "detect/heads/nms.h"

#include <algorithm>
#include <set>

#include "base/rng.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

constexpr ClassSeparation kAll[] = {ClassSeparation::kNone, ClassSeparation::kTorchvision,
                                    ClassSeparation::kLargestCoordinate, ClassSeparation::kUltralytics,
                                    ClassSeparation::kExact};

double overlap(const Candidate& a, const Candidate& b) {
  const double width = std::max(0.0, double(std::min(a.right, b.right)) - std::max(a.left, b.left));
  const double height = std::max(0.0, double(std::min(a.bottom, b.bottom)) - std::max(a.top, b.top));
  const auto area = [](const Candidate& c) { return double(c.right - c.left) * (c.bottom - c.top); };
  return width * height / (area(a) + area(b) - width * height);
}

TEST(Nms, KeepsTheBetterOfTwoThatOverlap) {
  const std::vector<Candidate> boxes = {
      {0, 0, 10, 10, 0.5f, 0}, {1, 0, 11, 10, 0.9f, 0}, {20, 0, 30, 10, 0.1f, 0}};
  for (const auto separation : kAll)
    EXPECT_THAT(suppress(boxes, 0.5, separation), testing::ElementsAre(1, 2));
}

TEST(Nms, KeepsClassesApartUnlessToldOtherwise) {
  const std::vector<Candidate> boxes = {{0, 0, 10, 10, 0.5f, 0}, {0, 0, 10, 10, 0.9f, 1}};
  EXPECT_THAT(suppress(boxes, 0.5, ClassSeparation::kExact), testing::ElementsAre(1, 0));
  EXPECT_THAT(suppress(boxes, 0.5, ClassSeparation::kUltralytics), testing::ElementsAre(1, 0));
  EXPECT_THAT(suppress(boxes, 0.5, ClassSeparation::kNone), testing::ElementsAre(1));
}

TEST(Nms, KeepsABoxWhoseOverlapEqualsTheThreshold) {
  const std::vector<Candidate> boxes = {{0, 0, 10, 10, 0.9f, 0}, {0, 0, 10, 5, 0.5f, 0}};
  EXPECT_THAT(suppress(boxes, 0.5, ClassSeparation::kExact), testing::ElementsAre(0, 1));
  EXPECT_THAT(suppress(boxes, 0.499, ClassSeparation::kExact), testing::ElementsAre(0));
}

TEST(Nms, KeepsTheOrderOfEqualScores) {
  const std::vector<Candidate> boxes = {
      {0, 0, 9, 9, 0.5f, 0}, {20, 0, 29, 9, 0.5f, 0}, {40, 0, 49, 9, 0.5f, 0}};
  EXPECT_THAT(suppress(boxes, 0.5, ClassSeparation::kTorchvision), testing::ElementsAre(0, 1, 2));
}

TEST(Nms, LeavesNoOverlapsAndDropsNothingWithoutOne) {
  Rng rng(7);
  std::vector<Candidate> boxes;
  for (int i = 0; i < 1500; ++i) {
    const auto next = [&](double size) { return static_cast<float>(rng.uniform() * size); };
    const float left = next(300), top = next(300);
    boxes.push_back({left, top, left + 1 + next(60), top + 1 + next(60), next(1), static_cast<int>(next(3))});
  }
  const auto kept = suppress(boxes, 0.5, ClassSeparation::kTorchvision);
  const std::set<std::size_t> survivors(kept.begin(), kept.end());
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](std::size_t k) {
      return k != i && boxes[k].class_index == boxes[i].class_index && boxes[k].score >= boxes[i].score &&
             overlap(boxes[k], boxes[i]) > 0.5;
    });
    EXPECT_NE(survivors.contains(i), covered) << i;
  }
}

}  // namespace
}  // namespace assay::detect
