#include "scenes/annotations.h"

namespace assay::scenes {

using nlohmann::ordered_json;

std::string file_name(std::uint64_t index) {
  std::string digits = std::to_string(index);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return digits + ".png";
}

Annotations::Annotations(std::uint64_t seed, Size size) : seed_(seed), size_(size) {}

void Annotations::add(std::uint64_t index, const std::vector<SceneObject>& objects) {
  images_.push_back(
      {{"id", index}, {"file_name", file_name(index)}, {"width", size_.width}, {"height", size_.height}});
  for (const SceneObject& object : objects) {
    annotations_.push_back(
        {{"id", annotations_.size() + 1},
         {"image_id", index},
         {"category_id", static_cast<int>(object.category)},
         {"bbox", {object.left, object.top, object.right - object.left, object.bottom - object.top}},
         {"area", object.visible_pixels},
         {"iscrowd", 0}});
  }
}

ordered_json Annotations::to_json() const {
  ordered_json categories = ordered_json::array();
  for (int i = 0; i < kCategoryCount; ++i) categories.push_back({{"id", i}, {"name", category_names()[i]}});
  return {{"info", {{"description", "scenes drawn by assay"}, {"seed", seed_}}},
          {"images", images_},
          {"annotations", annotations_},
          {"categories", std::move(categories)}};
}

}  // namespace assay::scenes
