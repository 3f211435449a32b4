#include "cli/quantize_calibration.h"

#include <fmt/format.h>

#include "cli/builtin_data.h"
#include "engine/load.h"
#include "flow/fill_calibration.h"

namespace assay::cli {
namespace {

// A file that is named is read all the same: that it cannot be is told.
bool reads_calibration(const QuantizeOptions& options) {
  return needs_calibration(options.quantize) || options.layers.fold || !options.calibration_file.empty();
}

}  // namespace

std::string calibration_name(const QuantizeOptions& options) {
  if (!reads_calibration(options)) return "none";
  if (options.own_text_file.empty())
    return options.calibration_file.empty() ? kBuiltinCalibrationName : options.calibration_file;
  return options.calibration_file.empty() ? options.own_text_file
                                          : options.calibration_file + " and " + options.own_text_file;
}

Result<CalibrationSet> read_calibration(QuantizeOptions& options, const std::filesystem::path& path,
                                        const LanguageModel& model, Session& session) {
  CalibrationSet set;
  if (!reads_calibration(options)) return set;
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  const bool trains = options.quantize.tune.has_value(), has_file = !options.calibration_file.empty();
  if (!trains || has_file) {
    ASSAY_TRY(set, assay::read_calibration(options.calibration_file,
                                           {builtin_calibration(), kBuiltinCalibrationName}, tokenizer,
                                           model.config.vocab_size, options.calibration));
  }
  const std::int64_t lacking = lacking_sequences(set, options.calibration);
  if (!trains || lacking == 0 || (has_file && !options.fills_calibration)) return set;
  options.own_text_file = options.out + ".calibration.json";
  session.note(fmt::format("{}: the model's own text, {} sequences, comes from {}\n",
                           has_file ? options.calibration_file + " is short" : "no --calibration", lacking,
                           options.own_text_file));
  ASSAY_RETURN_IF_ERROR(fill_calibration(set, options.calibration, options.own_text_file, path, options.model,
                                         tokenizer, session.kernels(), session.progress()));
  return set;
}

}  // namespace assay::cli
