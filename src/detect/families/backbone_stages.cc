#include "detect/families/backbone_stages.h"

#include <string>

namespace assay::detect {
namespace {

// 0 for what is no stage of the backbone.
int stage_of(const nlohmann::json& entry, int stages) {
  for (int stage = 1; stage <= stages; ++stage) {
    if (entry == "stage" + std::to_string(stage) || entry == stage) return stage;
  }
  return 0;
}

}  // namespace

Result<std::vector<int>> handed_on_stages(const nlohmann::json& config, int stages,
                                          const std::vector<int>& fallback) {
  for (const char* key : {"out_features", "out_indices"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_array() || found->empty()) continue;
    std::vector<int> result;
    for (const auto& entry : *found) {
      const int stage = stage_of(entry, stages);
      if (stage == 0 || (!result.empty() && stage <= result.back()))
        return Error{ErrorCode::kUnsupported, std::string(key) + ": " + found->dump() +
                                                  ", expected some of stage 1 to " + std::to_string(stages) +
                                                  " in rising order"};
      result.push_back(stage);
    }
    return result;
  }
  return fallback;
}

}  // namespace assay::detect
