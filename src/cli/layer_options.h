// The options of `assay quantize` by which the layers of a language model are treated differently.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "engine/model.h"
#include "flow/fold_weights.h"
#include "quant/llm/allocate_bits.h"
#include "quant/llm/gptq.h"

namespace assay::cli {

struct LayerOptions {
  std::optional<double> average_bits;
  std::string sensitivity_file;  // where there are average_bits
  bool fold = false;
};

void add_layer_options(CLI::App& command, LayerOptions& options);

// What was done to the blocks, in a line.
std::string folds_text(const std::vector<BlockFolds>& folds);

// The layers whose bits or group size for options.average_bits differ from those of `gptq`. Errors: those of
// the file of sensitivities, kInvalidArgument where it is of another model or not finished, or the average is
// too low.
Result<std::map<std::string, LayerBits>> layers_of_their_own(const LayerOptions& options,
                                                             const LanguageModel& model,
                                                             const GptqOptions& gptq);

}  // namespace assay::cli
