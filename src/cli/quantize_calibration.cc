#include "cli/quantize_calibration.h"

#include <fmt/format.h>

#include "cli/builtin_data.h"
#include "engine/load.h"
#include "flow/self_calibration.h"

namespace assay::cli {
namespace {

// A file that is named is read all the same: that it cannot be is told.
bool reads_calibration(const QuantizeOptions& options) {
  return needs_calibration(options.quantize) || options.layers.fold || !options.calibration_file.empty();
}

}  // namespace

std::string calibration_name(const QuantizeOptions& options) {
  if (!reads_calibration(options)) return "none";
  return options.calibration_file.empty() ? kBuiltinCalibrationName : options.calibration_file;
}

Status write_own_calibration(QuantizeOptions& options, const std::filesystem::path& path,
                             const LanguageModel& model, Session& session) {
  if (!options.quantize.tune || !options.calibration_file.empty()) return {};
  ASSAY_RETURN_IF_ERROR(check_quantize_llm(model, options.out, options.quantize, session.kernels()));
  options.calibration_file = options.out + ".calibration.json";
  if (std::filesystem::exists(options.calibration_file)) return {};
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  const SelfCalibrationOptions own{.sequences = options.calibration.samples,
                                   .sequence_length = options.calibration.sequence_length,
                                   .seed = options.calibration.seed};
  session.note("no --calibration: the model writes its own text to " + options.calibration_file + "\n");
  ASSAY_TRY(const auto run,
            write_self_calibration(model, tokenizer, options.model, own, options.calibration_file,
                                   session.kernels(), session.progress()));
  session.note(
      fmt::format("{}: {} tokens in {:.0f} s\n", options.calibration_file, run.computed, run.seconds));
  return {};
}

Result<CalibrationSet> read_calibration(const QuantizeOptions& options, const std::filesystem::path& path,
                                        const LanguageModel& model) {
  if (!reads_calibration(options)) return CalibrationSet{};
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  return assay::read_calibration(options.calibration_file, {builtin_calibration(), kBuiltinCalibrationName},
                                 tokenizer, model.config.vocab_size, options.calibration);
}

}  // namespace assay::cli
