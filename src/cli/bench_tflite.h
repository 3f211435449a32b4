// assay bench for .tflite files.
#pragma once
#include <filesystem>
#include <vector>

#include "cli/command_line.h"

namespace assay::cli {

// `all_operators`: every kernel in the table of what takes the time, not the slowest alone.
Status bench_tflite_file(const std::filesystem::path& path, const std::vector<int>& threads,
                         bool all_operators, Session& session);

}  // namespace assay::cli
