// The text or tokens that `assay quantize` calibrates a language model with.
#pragma once
#include <filesystem>
#include <string>

#include "cli/command_line.h"
#include "cli/quantize_options.h"

namespace assay::cli {

// As figures cite it: a file, the built-in text, none, and what the model wrote besides.
std::string calibration_name(const QuantizeOptions& options);

// What options.calibration_file holds, or the built-in text. Training wants more of it than most files hold,
// and of the kind that the model will read: without a file, and where the file has too few sequences and
// options.fills_calibration, the model writes those that lack beside the result, where the next run finds
// them, and options.own_text_file names that. They stand behind those of the file.
Result<CalibrationSet> read_calibration(QuantizeOptions& options, const std::filesystem::path& path,
                                        const LanguageModel& model, Session& session);

}  // namespace assay::cli
