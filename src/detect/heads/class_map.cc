#include "detect/heads/class_map.h"

#include <algorithm>

#include "formats/tensor_view.h"

namespace assay::detect {

const std::array<Category, 80>& coco_categories() {
  static constexpr std::array<Category, 80> kCategories = {
      {{1, "person"},         {2, "bicycle"},       {3, "car"},
       {4, "motorcycle"},     {5, "airplane"},      {6, "bus"},
       {7, "train"},          {8, "truck"},         {9, "boat"},
       {10, "traffic light"}, {11, "fire hydrant"}, {13, "stop sign"},
       {14, "parking meter"}, {15, "bench"},        {16, "bird"},
       {17, "cat"},           {18, "dog"},          {19, "horse"},
       {20, "sheep"},         {21, "cow"},          {22, "elephant"},
       {23, "bear"},          {24, "zebra"},        {25, "giraffe"},
       {27, "backpack"},      {28, "umbrella"},     {31, "handbag"},
       {32, "tie"},           {33, "suitcase"},     {34, "frisbee"},
       {35, "skis"},          {36, "snowboard"},    {37, "sports ball"},
       {38, "kite"},          {39, "baseball bat"}, {40, "baseball glove"},
       {41, "skateboard"},    {42, "surfboard"},    {43, "tennis racket"},
       {44, "bottle"},        {46, "wine glass"},   {47, "cup"},
       {48, "fork"},          {49, "knife"},        {50, "spoon"},
       {51, "bowl"},          {52, "banana"},       {53, "apple"},
       {54, "sandwich"},      {55, "orange"},       {56, "broccoli"},
       {57, "carrot"},        {58, "hot dog"},      {59, "pizza"},
       {60, "donut"},         {61, "cake"},         {62, "chair"},
       {63, "couch"},         {64, "potted plant"}, {65, "bed"},
       {67, "dining table"},  {70, "toilet"},       {72, "tv"},
       {73, "laptop"},        {74, "mouse"},        {75, "remote"},
       {76, "keyboard"},      {77, "cell phone"},   {78, "microwave"},
       {79, "oven"},          {80, "toaster"},      {81, "sink"},
       {82, "refrigerator"},  {84, "book"},         {85, "clock"},
       {86, "vase"},          {87, "scissors"},     {88, "teddy bear"},
       {89, "hair drier"},    {90, "toothbrush"}}};
  return kCategories;
}

namespace {

// `first` is the id of index 0.
ClassMap with_gaps(std::string name, int first) {
  const auto size = static_cast<std::size_t>(91 - first);
  ClassMap map{std::move(name), std::vector<int>(size, ClassMap::kNoCategory),
               std::vector<std::string>(size)};
  for (const Category& category : coco_categories()) {
    map.category_ids[static_cast<std::size_t>(category.id - first)] = category.id;
    map.category_names[static_cast<std::size_t>(category.id - first)] = category.name;
  }
  return map;
}

ClassMap without_gaps() {
  ClassMap map{"coco80", {}, {}};
  for (const Category& category : coco_categories()) {
    map.category_ids.push_back(category.id);
    map.category_names.emplace_back(category.name);
  }
  return map;
}

}  // namespace

int ClassMap::category_id(int class_index) const {
  const auto index = static_cast<std::size_t>(class_index);
  return class_index >= 0 && index < category_ids.size() ? category_ids[index] : kNoCategory;
}

std::string_view ClassMap::category_name(int class_index) const {
  const auto index = static_cast<std::size_t>(class_index);
  return class_index >= 0 && index < category_names.size() ? std::string_view(category_names[index]) : "";
}

Result<ClassMap> class_map_from_name(std::string_view name) {
  if (name == "coco80") return without_gaps();
  if (name == "coco90") return with_gaps("coco90", 1);
  if (name == "coco91") return with_gaps("coco91", 0);
  if (name == "face") return ClassMap{"face", {1}, {"face"}};
  return Error{ErrorCode::kInvalidArgument,
               "class map: " + quote(name) + ", expected coco80, coco90, coco91 or face"};
}

Result<ClassMap> coco_class_map(HeadKind kind, int class_count) {
  if (kind == HeadKind::kBlazeface) return class_map_from_name("face");
  if (kind == HeadKind::kTfliteDetection || class_count == 90) return class_map_from_name("coco90");
  if (class_count == 80) return class_map_from_name("coco80");
  if (class_count == 91) return class_map_from_name("coco91");
  return Error{ErrorCode::kUnsupported,
               "class map: the model has " + std::to_string(class_count) +
                   " classes, COCO models have 80, 90 or 91; say what its classes are"};
}

ClassMap class_map_from_labels(const std::vector<std::string>& labels) {
  const auto means_something = [](const std::string& label) { return !label.empty() && label != "N/A"; };
  const auto named = std::count_if(labels.begin(), labels.end(), means_something);
  for (const ClassMap& numbering : {without_gaps(), with_gaps("coco91", 0), with_gaps("coco90", 1)}) {
    std::ptrdiff_t same = 0;
    for (std::size_t i = 0; i < std::min(labels.size(), numbering.category_names.size()); ++i)
      same += means_something(labels[i]) && labels[i] == numbering.category_names[i];
    // Some checkpoints have older names of a few categories, or names for the gaps.
    if (2 * same > named && labels.size() <= numbering.category_names.size() + 1) return numbering;
  }
  ClassMap map{"labels", {}, {}};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool named_class = means_something(labels[i]);
    map.category_ids.push_back(named_class ? static_cast<int>(i) : ClassMap::kNoCategory);
    map.category_names.push_back(named_class ? labels[i] : "");
  }
  return map;
}

Result<ClassMap> match_names(const ClassMap& map, const std::vector<NamedCategory>& categories) {
  if (map.name != "labels") return map;
  ClassMap matched = map;
  for (std::size_t i = 0; i < map.category_names.size(); ++i) {
    if (map.category_ids[i] == ClassMap::kNoCategory) continue;
    const auto found = std::find_if(categories.begin(), categories.end(), [&](const auto& category) {
      return category.name == map.category_names[i];
    });
    if (found == categories.end())
      return Error{ErrorCode::kInvalidArgument, "the model's class " + quote(map.category_names[i]) +
                                                    ", one of " + std::to_string(map.category_names.size()) +
                                                    ", is none of the " + std::to_string(categories.size()) +
                                                    " categories of the annotations"};
    matched.category_ids[i] = found->id;
  }
  return matched;
}

}  // namespace assay::detect
