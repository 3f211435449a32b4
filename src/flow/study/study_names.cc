#include "flow/study/study_names.h"

#include <set>

namespace assay {
namespace {

// Names of the catalog, those twice among them.
std::vector<std::string> names_of(const StudySpec& spec) {
  std::vector<std::string> names;
  // A path of that name comes first, as in resolve_model.
  const auto add_model = [&](const std::string& model) {
    std::error_code error;
    if (!std::filesystem::exists(model, error)) names.push_back(model);
  };
  const auto add_set = [&](const std::string& name) {
    if (name.empty()) return;
    if (const auto set = picture_set(name)) names.insert(names.end(), set->items.begin(), set->items.end());
  };
  for (const auto& detector : spec.detectors) {
    add_model(detector.model);
    add_set(detector.data_set);
    add_set(detector.calibration_set);
  }
  for (const auto& llm : spec.llms) {
    add_model(llm.model);
    if (!llm.data_set.empty()) names.push_back(llm.data_set);
  }
  return names;
}

}  // namespace

Result<std::vector<CatalogItem>> missing_names(const StudySpec& spec) {
  std::vector<CatalogItem> missing;
  std::set<std::string> seen;
  for (const auto& name : names_of(spec)) {
    if (!seen.insert(name).second) continue;
    auto item = catalog_item(name);
    if (!item) {
      if (item.error().code == ErrorCode::kNotFound) continue;
      return item.error();
    }
    if (!item->present) missing.push_back(*std::move(item));
  }
  return missing;
}

}  // namespace assay
