#include "flow/fill_calibration.h"

#include <algorithm>
#include <utility>

#include "flow/self_calibration.h"

namespace assay {

std::int64_t lacking_sequences(const CalibrationSet& set, const CalibrationOptions& wanted) {
  return std::max<std::int64_t>(0, wanted.samples - std::ssize(set.sequences));
}

Status fill_calibration(CalibrationSet& set, const CalibrationOptions& wanted,
                        const std::filesystem::path& path, const LanguageModel& model,
                        const std::string& model_name, const Tokenizer& tokenizer,
                        const KernelContext& kernels, Progress& progress) {
  CalibrationOptions rest = wanted;
  rest.samples = lacking_sequences(set, wanted);
  if (rest.samples == 0) return {};
  const SelfCalibrationOptions written{
      .sequences = rest.samples, .sequence_length = wanted.sequence_length, .seed = wanted.seed};
  ASSAY_TRY(const SelfCalibrationRun run,
            write_self_calibration(model, tokenizer, model_name, written, path, kernels, progress));
  static_cast<void>(run);
  ASSAY_TRY(CalibrationSet own, read_calibration(path, {}, tokenizer, model.config.vocab_size, rest));
  append_calibration(set, std::move(own));
  return {};
}

}  // namespace assay
