// Which configurations are not beaten in size (or time) and accuracy at once.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "report/study.h"

namespace assay::report {

struct Tradeoff {
  double cost = 0;   // less is better
  Estimate quality;  // more is better
  std::string data;  // what the quality was measured on; only those of the same data are rivals
};

enum class Standing {
  kFront,  // no rival costs at most as much and is at least as good
  kTied,   // beaten, but its interval reaches what the front has at its cost
  kBeaten,
};

// One for each, in order. Of equal ones all are on the front.
std::vector<Standing> pareto(const std::vector<Tradeoff>& all);

}  // namespace assay::report
