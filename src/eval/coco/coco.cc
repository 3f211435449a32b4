#include "eval/coco/coco.h"

#include <algorithm>

namespace assay::eval::coco {

std::optional<std::int32_t> find_image(const Annotations& annotations, const ObjectId& id) {
  const auto at = std::lower_bound(annotations.images.begin(), annotations.images.end(), id);
  if (at == annotations.images.end() || !(*at == id)) return std::nullopt;
  return static_cast<std::int32_t>(at - annotations.images.begin());
}

std::optional<std::int32_t> find_category(const Annotations& annotations, const ObjectId& id) {
  const auto at =
      std::lower_bound(annotations.categories.begin(), annotations.categories.end(), id,
                       [](const Category& category, const ObjectId& wanted) { return category.id < wanted; });
  if (at == annotations.categories.end() || !(at->id == id)) return std::nullopt;
  return static_cast<std::int32_t>(at - annotations.categories.begin());
}

}  // namespace assay::eval::coco
