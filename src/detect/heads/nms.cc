#include "detect/heads/nms.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace assay::detect {
namespace {

float class_offset(const std::vector<Candidate>& candidates, ClassSeparation separation) {
  const bool exact = (separation == ClassSeparation::kTorchvision && candidates.size() > 1000) ||
                     (separation == ClassSeparation::kLargestCoordinate && candidates.size() >= 10000) ||
                     separation == ClassSeparation::kExact || separation == ClassSeparation::kNone;
  if (exact || candidates.empty()) return 0.0f;
  if (separation == ClassSeparation::kUltralytics) return 7680.0f;
  float largest = candidates[0].left;
  for (const Candidate& c : candidates) largest = std::max({largest, c.left, c.top, c.right, c.bottom});
  return largest + 1.0f;
}

struct Box {
  float left, top, right, bottom, area;
};

Box moved(const Candidate& c, float by) {
  Box box{c.left + by, c.top + by, c.right + by, c.bottom + by, 0.0f};
  box.area = (box.right - box.left) * (box.bottom - box.top);
  return box;
}

float overlap(const Box& a, const Box& b) {
  const float width = std::max(0.0f, std::min(a.right, b.right) - std::max(a.left, b.left));
  const float height = std::max(0.0f, std::min(a.bottom, b.bottom) - std::max(a.top, b.top));
  const float intersection = width * height;
  return intersection / (a.area + b.area - intersection);
}

}  // namespace

std::vector<std::size_t> by_score(const std::vector<Candidate>& candidates) {
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return candidates[a].score > candidates[b].score; });
  return order;
}

std::vector<std::size_t> suppress(const std::vector<Candidate>& candidates, double iou_threshold,
                                  ClassSeparation separation) {
  const float offset = class_offset(candidates, separation);
  std::unordered_map<int, std::vector<Box>> kept_of_class;
  std::vector<std::size_t> kept;
  for (const std::size_t index : by_score(candidates)) {
    const Candidate& candidate = candidates[index];
    const Box box = moved(candidate, offset * static_cast<float>(candidate.class_index));
    auto& better = kept_of_class[separation == ClassSeparation::kNone ? 0 : candidate.class_index];
    const bool covered = std::any_of(better.begin(), better.end(),
                                     [&](const Box& other) { return overlap(other, box) > iou_threshold; });
    if (covered) continue;
    better.push_back(box);
    kept.push_back(index);
  }
  return kept;
}

std::vector<Candidate> merge_overlapping(const std::vector<Candidate>& candidates, double iou_threshold) {
  std::vector<std::size_t> left = by_score(candidates);
  std::vector<Candidate> merged;
  while (!left.empty()) {
    const Candidate& best = candidates[left.front()];
    const Box box = moved(best, 0.0f);
    std::vector<std::size_t> apart;
    Candidate mean{0.0f, 0.0f, 0.0f, 0.0f, best.score, best.class_index};
    float total = 0.0f;
    for (const std::size_t index : left) {
      const Candidate& other = candidates[index];
      if (!(overlap(moved(other, 0.0f), box) > iou_threshold)) {
        apart.push_back(index);
        continue;
      }
      total += other.score;
      mean.left += other.left * other.score;
      mean.top += other.top * other.score;
      mean.right += other.right * other.score;
      mean.bottom += other.bottom * other.score;
    }
    // A box without area overlaps nothing, not even itself; the reference returns it and stops there.
    if (total == 0.0f) {
      merged.push_back(best);
      break;
    }
    mean.left /= total, mean.top /= total, mean.right /= total, mean.bottom /= total;
    merged.push_back(mean);
    left = std::move(apart);
  }
  return merged;
}

}  // namespace assay::detect
