#include "report/label_placement.h"

#include <algorithm>
#include <array>

namespace assay::report {
namespace {

struct Box {
  double left, top, right, bottom;
};

Box box_around(const Spot& center, double width, double height) {
  return {center.x - width / 2, center.y - height / 2, center.x + width / 2, center.y + height / 2};
}

double shared(const Box& a, const Box& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

}  // namespace

std::vector<Spot> place_labels(const std::vector<LabelToPlace>& labels, const std::vector<Spot>& obstacles,
                               double obstacle_side, double area_width, double area_height) {
  constexpr std::array<std::array<double, 2>, 8> kDirections{
      {{1, 0}, {0, -1}, {0, 1}, {-1, 0}, {1, -1}, {-1, -1}, {1, 1}, {-1, 1}}};
  constexpr double kOutside = 4;  // an overlap with the border costs that many times one with a point
  std::vector<Box> taken;
  for (const Spot& obstacle : obstacles) taken.push_back(box_around(obstacle, obstacle_side, obstacle_side));
  const Box area{0, 0, area_width, area_height};
  std::vector<Spot> places;
  for (const LabelToPlace& label : labels) {
    Spot best = label.anchor;
    double best_cost = -1;
    for (const auto& [right, down] : kDirections) {
      const Spot spot{label.anchor.x + right * (label.width + obstacle_side) / 2 * 1.05,
                      label.anchor.y + down * (label.height + obstacle_side) / 2 * 1.15};
      const Box box = box_around(spot, label.width, label.height);
      double cost = kOutside * (label.width * label.height - shared(box, area));
      for (const Box& other : taken) cost += shared(box, other);
      if (best_cost >= 0 && cost >= best_cost) continue;
      best_cost = cost;
      best = spot;
    }
    taken.push_back(box_around(best, label.width, label.height));
    places.push_back(best);
  }
  return places;
}

}  // namespace assay::report
