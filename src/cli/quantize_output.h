// What `assay quantize` says of a quantized language model.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "cli/quantize_options.h"

namespace assay::cli {

// `before`: the size of the model that was read.
std::string quantize_text(const QuantizeOptions& options, const LlmQuantizeReport& report,
                          const ModelSize& before);
nlohmann::ordered_json quantize_json(const QuantizeOptions& options, const std::string& model,
                                     const LlmQuantizeReport& report, const ModelSize& before);

}  // namespace assay::cli
