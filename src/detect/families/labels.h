// The classes that config.json of a detector names.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace assay::detect {

// id2label, by index; "LABEL_0", ... for num_labels of them where there is none; two of those where there is
// neither, as in transformers. Errors: kCorrupt (indices that are not 0, 1, 2, ..., more than 65,536, text
// expected).
Result<std::vector<std::string>> labels_of(const nlohmann::json& config);

}  // namespace assay::detect
