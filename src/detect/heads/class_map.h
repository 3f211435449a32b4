// From a model's class index to a category of the annotations. There are three numberings of COCO's classes
// in use; which one a model speaks is stated by name and never read off its numbers.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "detect/heads/head_kind.h"

namespace assay::detect {

struct Category {
  int id;  // 1 to 90, with gaps
  std::string_view name;
};

// The 80 categories of COCO 2017 in the order of their ids.
const std::array<Category, 80>& coco_categories();

struct ClassMap {
  std::string name;                         // as class_map_from_name takes it, or "labels"
  std::vector<int> category_ids;            // by class index; kNoCategory where the index means nothing
  std::vector<std::string> category_names;  // by class index; "" there

  static constexpr int kNoCategory = -1;
  // kNoCategory also for an index outside of the map.
  int category_id(int class_index) const;
  std::string_view category_name(int class_index) const;
};

// "coco80"  index 0 to 79 in the order of ids: YOLO, NanoDet, FastestDet, RT-DETR
// "coco90"  index = id - 1, with gaps: TensorFlow's models after the operator has taken the background away
// "coco91"  index = id, with gaps: DETR
// "face"    one class, category 1: BlazeFace; none of COCO's, for annotations of faces
// Errors: kInvalidArgument, listing the names.
Result<ClassMap> class_map_from_name(std::string_view name);

// The numbering that COCO models of this head and class count use. class_count as class_count() gives it.
// Errors: kUnsupported: no COCO numbering has so many classes; the caller then has to be told what the
// classes are.
Result<ClassMap> coco_class_map(HeadKind kind, int class_count);

// The classes that a model names itself, "N/A" and "" meaning nothing. Where most of them are COCO's in one
// of the three numberings, that one. Otherwise "labels", with the index as the id until match_names has given
// ids.
ClassMap class_map_from_labels(const std::vector<std::string>& labels);

struct NamedCategory {
  int id = 0;
  std::string name;
};
// "labels" with the ids that annotations give these names; any other map as it is. Errors: kInvalidArgument,
// naming a label that no category has.
Result<ClassMap> match_names(const ClassMap& map, const std::vector<NamedCategory>& categories);

}  // namespace assay::detect
