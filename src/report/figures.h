// All figures of a study, in the order of the report.
#pragma once
#include <vector>

#include "report/figure.h"

namespace assay::report {

// Those for which the study has the records; docs/report.md lists all.
std::vector<Figure> detector_figures(const Study& study, const Style& style);
std::vector<Figure> llm_figures(const Study& study, const Style& style);

}  // namespace assay::report
