#include "flow/fill_calibration.h"

#include <algorithm>
#include <utility>

#include "engine/load.h"
#include "flow/self_calibration.h"

namespace assay {

namespace fs = std::filesystem;

std::int64_t lacking_sequences(const CalibrationSet& set, const CalibrationOptions& wanted) {
  return std::max<std::int64_t>(0, wanted.samples - std::ssize(set.sequences));
}

Status fill_calibration(CalibrationSet& set, const CalibrationOptions& wanted, const fs::path& path,
                        const fs::path& source, const std::string& model_name, const Tokenizer& tokenizer,
                        const KernelContext& kernels, Progress& progress) {
  CalibrationOptions rest = wanted;
  rest.samples = lacking_sequences(set, wanted);
  if (rest.samples == 0) return {};
  ASSAY_TRY(LanguageModel model, load_model(source));
  // Inputs rounded to 8 bits change text less than another seed does.
  ASSAY_RETURN_IF_ERROR(pack_weights(model, *kernels.pool));
  KernelContext rounding = kernels;
  rounding.activations = Activations::kRounded;
  const SelfCalibrationOptions written{
      .sequences = rest.samples, .sequence_length = wanted.sequence_length, .seed = wanted.seed};
  ASSAY_TRY(const SelfCalibrationRun run,
            write_self_calibration(model, tokenizer, model_name, written, path, rounding, progress));
  static_cast<void>(run);
  ASSAY_TRY(CalibrationSet own, read_calibration(path, {}, tokenizer, model.config.vocab_size, rest));
  append_calibration(set, std::move(own));
  return {};
}

}  // namespace assay
