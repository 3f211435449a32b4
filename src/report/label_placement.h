// Where labels of points go, so that they hide neither points nor each other.
#pragma once
#include <vector>

namespace assay::report {

struct Spot {
  double x = 0, y = 0;  // pixels, y downwards
};

struct LabelToPlace {
  Spot anchor;  // the point that it names
  double width = 0, height = 0;
};

// The centre of each label: of eight places around its anchor the one that overlaps the least of the
// obstacles (squares of `obstacle_side`), of the labels placed before and of what is outside of the area.
// Greedy, in order.
std::vector<Spot> place_labels(const std::vector<LabelToPlace>& labels, const std::vector<Spot>& obstacles,
                               double obstacle_side, double area_width, double area_height);

}  // namespace assay::report
