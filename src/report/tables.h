// All tables of a study.
#pragma once
#include <vector>

#include "report/document.h"
#include "report/study.h"

namespace assay::report {

// "machine", "models", "settings", "detector-results", "detector-details", "llm-results", "llm-speed", "threads",
// "energy", "failures"; those that have rows.
std::vector<Table> make_tables(const Study& study);

// Every figure of every variant in one flat list, for results.csv.
std::vector<Json> result_rows(const Study& study);

}  // namespace assay::report
