// The options of `assay quantize` by which the layers of a language model are treated differently.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "engine/model.h"
#include "flow/calibration.h"
#include "quant/llm/allocate_bits.h"
#include "quant/llm/gptq.h"

namespace assay::cli {

struct LayerOptions {
  std::optional<double> average_bits;
  std::string sensitivity_file;  // where there are average_bits
  bool rotate = false;
  bool fold = false;
};

void add_layer_options(CLI::App& command, LayerOptions& options);

// Changes weights as the options say, the model computing what it did (engine/rotate_stream.h,
// flow/fold_weights.h). Errors: theirs.
Status ease_weights(const LayerOptions& options, LanguageModel& model, const CalibrationSet& calibration,
                    const GptqOptions& gptq, Session& session);

// The layers whose bits or group size for options.average_bits differ from those of `gptq`. Errors: those of
// the file of sensitivities, kInvalidArgument where it is of another model or not finished, or the average is
// too low.
Result<std::map<std::string, LayerBits>> layers_of_their_own(const LayerOptions& options,
                                                             const LanguageModel& model,
                                                             const GptqOptions& gptq);

}  // namespace assay::cli
