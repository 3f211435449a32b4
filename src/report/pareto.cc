#include "report/pareto.h"

#include <algorithm>

namespace assay::report {

std::vector<Standing> pareto(const std::vector<Tradeoff>& all) {
  std::vector<Standing> standings;
  for (const Tradeoff& one : all) {
    bool beaten = false;
    double best = one.quality.value;
    for (const Tradeoff& other : all) {
      if (other.data != one.data || other.cost > one.cost || other.quality.value < one.quality.value) continue;
      if (other.cost == one.cost && other.quality.value == one.quality.value) continue;
      beaten = true;
      best = std::max(best, other.quality.value);
    }
    if (!beaten) {
      standings.push_back(Standing::kFront);
    } else {
      const bool reaches = one.quality.interval && one.quality.interval->high >= best;
      standings.push_back(reaches ? Standing::kTied : Standing::kBeaten);
    }
  }
  return standings;
}

}  // namespace assay::report
