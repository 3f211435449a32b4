// The environment of a measurement as JSON.
#pragma once
#include <nlohmann/json.hpp>

#include "measure/environment.h"

namespace assay::cli {

// What is not known is left out.
nlohmann::ordered_json environment_json(const measure::Environment& environment);

}  // namespace assay::cli
