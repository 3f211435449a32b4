// The part of `assay inspect` that is about .tflite files.
#pragma once
#include <filesystem>

#include "base/result.h"
#include "cli/command_line.h"

namespace assay::cli {

// Prints and writes --json; of the table of tensors at most `limit` rows.
Status inspect_tflite_file(const std::filesystem::path& path, std::size_t limit, Session& session);

}  // namespace assay::cli
