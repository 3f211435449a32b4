// What every command on detectors may be told about the model.
#pragma once
#include "cli/command_line.h"
#include "flow/detector.h"

namespace assay::cli {

// --head and --classes.
void add_detector_options(CLI::App& command, DetectorOptions& options);

}  // namespace assay::cli
