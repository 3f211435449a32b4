// Which stages of a backbone a detector takes features from.
#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "base/result.h"

namespace assay::detect {

// The stages that `out_features` ("stage1", ...) or `out_indices` (1, ...) of a backbone's configuration
// name, from 1, in rising order; `fallback` where it names none. Errors: kUnsupported, naming the key (the
// stem, a stage beyond `stages`, another order).
Result<std::vector<int>> handed_on_stages(const nlohmann::json& config, int stages,
                                          const std::vector<int>& fallback);

}  // namespace assay::detect
