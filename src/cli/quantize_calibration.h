// The text or tokens that `assay quantize` calibrates a language model with.
#pragma once
#include <filesystem>
#include <string>

#include "cli/command_line.h"
#include "cli/quantize_options.h"

namespace assay::cli {

// As figures cite it: a file, the built-in text, or none.
std::string calibration_name(const QuantizeOptions& options);

// Training is worth text like that which the model will read, of which the built-in one is no sample: without
// a file the model writes its own beside the result, where the next run finds it, and
// options.calibration_file names that.
Status write_own_calibration(QuantizeOptions& options, const std::filesystem::path& path,
                             const LanguageModel& model, Session& session);

Result<CalibrationSet> read_calibration(const QuantizeOptions& options, const std::filesystem::path& path,
                                        const LanguageModel& model);

}  // namespace assay::cli
