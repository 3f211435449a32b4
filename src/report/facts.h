// The figures of a study that the report's text names: {detectors.count}, {machine.cpu}.
#pragma once
#include <map>
#include <string>

#include "report/study.h"

namespace assay::report {

// All names exist in every study; those without a figure have an empty text, which {if} in the template can
// ask for. docs/report.md lists them.
std::map<std::string, std::string> make_facts(const Study& study);

}  // namespace assay::report
