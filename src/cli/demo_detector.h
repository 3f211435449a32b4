// The detector's half of `assay demo`.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "cli/command_line.h"

namespace assay::cli {

struct DetectorDemoOptions {
  std::string model = "blazeface-full", out = "demo/detector";
};

// Prints the table and gives the record: "model", "pictures", "rows".
Result<nlohmann::ordered_json> run_detector_demo(const DetectorDemoOptions& options, Session& session);

}  // namespace assay::cli
