// assay bench for .tflite files.
#pragma once
#include <filesystem>
#include <vector>

#include "cli/command_line.h"

namespace assay::cli {

Status bench_tflite_file(const std::filesystem::path& path, const std::vector<int>& threads,
                         Session& session);

}  // namespace assay::cli
