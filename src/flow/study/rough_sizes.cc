#include "flow/study/rough_sizes.h"

#include <algorithm>

#include "flow/data_registry.h"
#include "flow/fetch/catalog.h"
#include "flow/model_registry.h"
#include "flow/picture_registry.h"

namespace assay {

std::optional<double> rough_parameters(const std::string& model) {
  constexpr double kBytesPerWeight = 2, kGgufBytesPerWeight = 5 / 8.;
  if (const RegisteredModel* known = find_registered_model(model)) {
    return static_cast<double>(known->num_bytes) /
           (known->file.ends_with(".gguf") ? kGgufBytesPerWeight : kBytesPerWeight);
  }
  const auto item = catalog_item(model);
  if (!item || item->download_bytes == 0) return std::nullopt;
  return static_cast<double>(item->download_bytes) / kBytesPerWeight;
}

std::optional<std::uint64_t> rough_detector_bytes(const std::string& model) {
  if (const RegisteredModel* known = find_registered_model(model)) return known->num_bytes;
  const auto item = catalog_item(model);
  if (!item || item->download_bytes == 0) return std::nullopt;
  return item->download_bytes;
}

std::int64_t rough_pictures(const std::string& set) {
  if (const auto* known = find_registered_pictures(set)) {
    return std::count_if(known->pictures.begin(), known->pictures.end(),
                         [](const auto& picture) { return picture.file.starts_with("evaluation/"); });
  }
  for (const auto& archive : registered_archives())
    if (archive.name == set) return static_cast<std::int64_t>(archive.num_files);
  return 0;
}

std::int64_t rough_passages(const std::string& set) {
  constexpr std::uint64_t kBytesPerPassage = 353;  // of LAMBADA, with what JSON puts around them
  for (const auto& file : registered_hub_files())
    if (file.name == set) return static_cast<std::int64_t>(file.num_bytes / kBytesPerPassage);
  return 0;
}

}  // namespace assay
