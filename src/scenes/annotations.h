// What is on drawn scenes, in COCO's format: category ids are the numbers of scenes::Category, annotation ids
// count from 1, `area` is the number of pixels that can be seen.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "scenes/scene.h"

namespace assay::scenes {

// The name of a scene's file, of six digits or more: "000012.png".
std::string file_name(std::uint64_t index);

// Collects scenes one after the other. Not thread safe.
class Annotations {
 public:
  Annotations(std::uint64_t seed, Size size);
  // The scene's index becomes its image id. Of the scene only the objects are read.
  void add(std::uint64_t index, const std::vector<SceneObject>& objects);
  std::size_t object_count() const { return annotations_.size(); }
  nlohmann::ordered_json to_json() const;

 private:
  std::uint64_t seed_;
  Size size_;
  nlohmann::ordered_json images_ = nlohmann::ordered_json::array();
  nlohmann::ordered_json annotations_ = nlohmann::ordered_json::array();
};

}  // namespace assay::scenes
