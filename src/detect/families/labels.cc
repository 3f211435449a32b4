#include "detect/families/labels.h"

#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

constexpr std::int64_t kMostLabels = 1 << 16;

}  // namespace

Result<std::vector<std::string>> labels_of(const nlohmann::json& config) {
  const auto found = config.find("id2label");
  std::vector<std::string> labels;
  if (found == config.end() || !found->is_object() || found->empty()) {
    JsonFields fields(config);
    const std::int64_t count = fields.integer("num_labels", 2);
    ASSAY_RETURN_IF_ERROR(fields.status());
    if (count < 1 || count > kMostLabels)
      return Error{ErrorCode::kCorrupt,
                   "num_labels: " + std::to_string(count) + ", expected 1 to " + std::to_string(kMostLabels)};
    for (std::int64_t i = 0; i < count; ++i) labels.push_back("LABEL_" + std::to_string(i));
    return labels;
  }
  for (std::size_t i = 0; i < found->size(); ++i) {
    const auto entry = found->find(std::to_string(i));
    if (entry == found->end() || !entry->is_string() || static_cast<std::int64_t>(i) >= kMostLabels)
      return Error{ErrorCode::kCorrupt, "id2label: expected a text for each of 0 to " +
                                            std::to_string(found->size() - 1) + ", missing at " +
                                            std::to_string(i)};
    labels.push_back(entry->get<std::string>());
  }
  return labels;
}

}  // namespace assay::detect
