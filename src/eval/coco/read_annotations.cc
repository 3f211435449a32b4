#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "eval/coco/json_values.h"
#include "eval/coco/readers.h"
#include "eval/coco/warnings.h"

namespace assay::eval::coco {
namespace {

struct RawAnnotation {
  ObjectId id, image, category;
  double box[4] = {};
  double area = 0;
  double crowd = 0;
  bool has_id = false, has_image = false, has_category = false, has_box = false, has_area = false,
       has_crowd = false;
  std::string problem;  // with a field that may never be looked at
};

struct ListedId {
  ObjectId id;
  std::string name;
  bool is_real = false;
};

struct RawFile {
  std::vector<ListedId> images, categories;
  std::vector<RawAnnotation> annotations;
  bool has_images = false, has_categories = false, has_annotations = false;
};

Error corrupt(const std::string& message) { return {ErrorCode::kCorrupt, message}; }

Error not_json(simdjson::error_code code) {
  return corrupt(std::string("is not valid JSON: ") + simdjson::error_message(code));
}

std::string record_name(const char* noun, std::size_t index) {
  return std::string(noun) + " " + std::to_string(index + 1);
}

Error wrong_field(const std::string& record, const char* field, ondemand::value& value,
                  const char* expected) {
  return corrupt(record + ": '" + field + "' is " + shown(value.raw_json_token()) + "; expected " + expected);
}

constexpr char kExpectedId[] = "an integer or a string";

// Calls `take(index, object)` for each record of an array of objects.
template <typename Take>
Status each_record(ondemand::value& list, const char* list_name, const char* noun, Take take) {
  ondemand::array array;
  if (list.get_array().get(array) != simdjson::SUCCESS)
    return corrupt(std::string("'") + list_name + "' is " + shown(list.raw_json_token()) +
                   "; expected an array");
  std::size_t index = 0;
  for (auto element : array) {
    ondemand::object object;
    if (element.error() != simdjson::SUCCESS) return not_json(element.error());
    if (element.get_object().get(object) != simdjson::SUCCESS)
      return corrupt(record_name(noun, index) + " is not an object");
    ASSAY_RETURN_IF_ERROR(take(index, object));
    ++index;
  }
  return {};
}

// Calls `take(key, value)` for each field of an object.
template <typename Take>
Status each_field(ondemand::object& object, Take take) {
  for (auto entry : object) {
    ondemand::field field;
    if (const auto code = std::move(entry).get(field); code != simdjson::SUCCESS) return not_json(code);
    ASSAY_RETURN_IF_ERROR(take(field.key().raw(), field.value()));
  }
  return {};
}

Status read_listed(ondemand::value& list, const char* list_name, const char* noun,
                   std::vector<ListedId>& out) {
  out.clear();
  return each_record(list, list_name, noun, [&](std::size_t index, ondemand::object& object) -> Status {
    ListedId listed;
    bool has_id = false;
    ASSAY_RETURN_IF_ERROR(each_field(object, [&](const char* key, ondemand::value& value) -> Status {
      if (is_key(key, "id")) {
        has_id = read_id(value, &listed.id, &listed.is_real);
        if (!has_id) return wrong_field(record_name(noun, index), "id", value, kExpectedId);
      } else if (is_key(key, "name")) {
        std::string_view name;
        if (value.get_string().get(name) == simdjson::SUCCESS) listed.name = name;
      }
      return {};
    }));
    if (!has_id) return corrupt(record_name(noun, index) + ": 'id' is missing");
    out.push_back(std::move(listed));
    return {};
  });
}

Status read_crowd(ondemand::value& value, RawAnnotation& out) {
  // Null and false are no crowd to pycocotools' first look and an error to its second.
  if (!read_number(value, &out.crowd) || !std::isfinite(out.crowd))
    out.problem = "'iscrowd' is " + shown(value.raw_json_token()) + "; expected 0 or 1";
  out.has_crowd = true;
  return {};
}

Status read_annotation_field(const char* key, ondemand::value& value, const std::string& record,
                             RawAnnotation& out) {
  if (is_key(key, "id")) {
    out.has_id = read_id(value, &out.id, nullptr);
    if (!out.has_id) return wrong_field(record, "id", value, kExpectedId);
  } else if (is_key(key, "image_id")) {
    out.has_image = read_id(value, &out.image, nullptr);
    if (!out.has_image) return wrong_field(record, "image_id", value, kExpectedId);
  } else if (is_key(key, "category_id")) {
    out.has_category = read_id(value, &out.category, nullptr);
    if (!out.has_category) return wrong_field(record, "category_id", value, kExpectedId);
  } else if (is_key(key, "bbox")) {
    if (!read_box(value, true, out.box)) out.problem = "'bbox' is not an array of four numbers";
    out.has_box = true;
  } else if (is_key(key, "area")) {
    if (!read_number(value, &out.area))
      out.problem = "'area' is " + shown(value.raw_json_token()) + "; expected a number";
    out.has_area = true;
  } else if (is_key(key, "iscrowd")) {
    return read_crowd(value, out);
  }
  return {};
}

Status read_annotation_list(ondemand::value& list, std::vector<RawAnnotation>& out) {
  out.clear();
  return each_record(list, "annotations", "annotation",
                     [&](std::size_t index, ondemand::object& object) -> Status {
                       RawAnnotation annotation;
                       const std::string record = record_name("annotation", index);
                       ASSAY_RETURN_IF_ERROR(each_field(object, [&](const char* key, ondemand::value& value) {
                         return read_annotation_field(key, value, record, annotation);
                       }));
                       if (!annotation.has_id) return corrupt(record + ": 'id' is missing");
                       if (!annotation.has_image) return corrupt(record + ": 'image_id' is missing");
                       if (!annotation.has_category) return corrupt(record + ": 'category_id' is missing");
                       out.push_back(std::move(annotation));
                       return {};
                     });
}

Result<RawFile> read_raw(ByteView file) {
  const simdjson::padded_string padded(as_text(file));
  ondemand::parser parser;
  ondemand::document document;
  if (const auto code = parser.iterate(padded).get(document); code != simdjson::SUCCESS)
    return not_json(code);
  ondemand::object root;
  if (document.get_object().get(root) != simdjson::SUCCESS) {
    // simdjson says no to an object without an end before it looks into it.
    const std::string_view text = as_text(file);
    const std::size_t begin = text.find_first_not_of(" \t\n\r");
    if (begin != std::string_view::npos && text[begin] == '{')
      return corrupt("does not end with '}' (file truncated?)");
    return corrupt("holds no JSON object; expected one with 'images', 'annotations' and 'categories'");
  }
  RawFile raw;
  ASSAY_RETURN_IF_ERROR(each_field(root, [&](const char* key, ondemand::value& value) -> Status {
    if (is_key(key, "images")) {
      raw.has_images = true;
      return read_listed(value, "images", "image", raw.images);
    }
    if (is_key(key, "categories")) {
      raw.has_categories = true;
      return read_listed(value, "categories", "category", raw.categories);
    }
    if (!is_key(key, "annotations")) return {};
    raw.has_annotations = true;
    return read_annotation_list(value, raw.annotations);
  }));
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
    return corrupt("goes on behind the JSON object");
  if (!raw.has_images) return corrupt("'images' is missing");
  if (!raw.has_categories) return corrupt("'categories' is missing");
  return raw;
}

struct KnownIds {
  std::vector<ListedId> evaluated;    // ascending, unique
  std::vector<ObjectId> unevaluated;  // ascending
};

// numpy.unique over a list of Python numbers: of what type the array is decides which ids survive it.
Result<KnownIds> unique_ids(std::vector<ListedId> listed, const char* noun, Warnings& warnings) {
  std::unordered_map<ObjectId, std::size_t, ObjectIdHash> first;
  std::vector<ListedId> unique;
  std::size_t strings = 0;
  bool any_real = false, any_small = false, any_unsigned = false, any_huge = false;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    const auto [at, is_new] = first.emplace(listed[i].id, unique.size());
    if (!is_new) {
      warnings.add("listed again; it counts once", static_cast<std::int64_t>(i) + 1);
      unique[at->second].name = std::move(listed[i].name);
      continue;
    }
    const ObjectId& id = listed[i].id;
    strings += id.is_string();
    any_real |= listed[i].is_real;
    any_small |= id.kind() == ObjectId::Kind::kInteger && !listed[i].is_real;
    any_unsigned |= id.is_unsigned64() && !listed[i].is_real;
    any_huge |= id.kind() == ObjectId::Kind::kBigInteger && !id.is_unsigned64() && !listed[i].is_real;
    unique.push_back(std::move(listed[i]));
  }
  if (strings != 0 && strings != unique.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(noun) + " ids are numbers in part and strings in part, which have no order"};
  }
  std::sort(unique.begin(), unique.end(), [](const ListedId& a, const ListedId& b) { return a.id < b.id; });
  KnownIds known;
  const bool through_doubles = !any_huge && (any_real || (any_small && any_unsigned));
  for (ListedId& entry : unique) {
    if (through_doubles && !entry.id.is_exact_double()) {
      known.unevaluated.push_back(entry.id);
    } else {
      known.evaluated.push_back(std::move(entry));
    }
  }
  return known;
}

// Whether any two annotations have the same id; cheap where ids ascend, as they mostly do.
bool ids_ascend(const std::vector<RawAnnotation>& annotations) {
  for (std::size_t i = 1; i < annotations.size(); ++i) {
    if (!(annotations[i - 1].id < annotations[i].id)) return false;
  }
  return true;
}

class Assembler {
 public:
  Assembler(const std::vector<RawAnnotation>& raw, Annotations& out, Warnings& warnings)
      : raw_(raw), out_(out), warnings_(warnings) {}

  Status run() {
    if (ids_ascend(raw_)) {
      for (std::size_t i = 0; i < raw_.size(); ++i) ASSAY_RETURN_IF_ERROR(list(i, i));
      return {};
    }
    std::unordered_map<ObjectId, std::size_t, ObjectIdHash> last;
    for (std::size_t i = 0; i < raw_.size(); ++i) {
      if (!last.insert_or_assign(raw_[i].id, i).second) {
        warnings_.add("repeated the id of an earlier one, in whose place it is evaluated too",
                      static_cast<std::int64_t>(i) + 1);
      }
    }
    // pycocotools collects ids image by image, so the place of a repeated one is that of the listing.
    std::vector<std::pair<std::int32_t, std::size_t>> order;
    for (std::size_t i = 0; i < raw_.size(); ++i)
      order.emplace_back(find_image(out_, raw_[i].image).value_or(-1), i);
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [image, i] : order) ASSAY_RETURN_IF_ERROR(list(i, last.at(raw_[i].id)));
    return {};
  }

 private:
  // The id of annotation `i` is listed, and `taken` is evaluated for it.
  Status list(std::size_t i, std::size_t taken) {
    const auto record = static_cast<std::int64_t>(i) + 1;
    if (!find_image(out_, raw_[i].image)) {
      warnings_.add("on an image that is not listed, or not evaluated; left out", record);
      return {};
    }
    if (!find_category(out_, raw_[i].category)) {
      warnings_.add("in a category that is not listed, or not evaluated; left out", record);
      return {};
    }
    const RawAnnotation& annotation = raw_[taken];
    const auto image = find_image(out_, annotation.image);
    const auto category = find_category(out_, annotation.category);
    if (!image || !category) return {};
    return append(annotation, taken, *image, *category);
  }

  Status append(const RawAnnotation& annotation, std::size_t index, std::int32_t image,
                std::int32_t category) {
    const std::string name = record_name("annotation", index) + " (id " + annotation.id.text() + "): ";
    if (!annotation.problem.empty()) return corrupt(name + annotation.problem);
    if (!annotation.has_box) return corrupt(name + "'bbox' is missing; expected [x, y, width, height]");
    if (!annotation.has_area) return corrupt(name + "'area' is missing; it decides the size class");
    if (!annotation.has_crowd) return corrupt(name + "'iscrowd' is missing; expected 0 or 1");
    const auto& box = annotation.box;
    const auto record = static_cast<std::int64_t>(index) + 1;
    bool finite = std::isfinite(annotation.area);
    for (const double side : box) finite &= std::isfinite(side);
    if (!finite) warnings_.add("have a box or area that is not finite", record);
    if (box[2] < 0 || box[3] < 0) warnings_.add("have a negative width or height", record);
    TruthBox truth{image, category, box[0], box[1], box[2], box[3], annotation.area};
    truth.crowd = std::trunc(annotation.crowd) != 0;
    truth.ignore = annotation.crowd != 0;
    truth.id_is_zero = is_zero(annotation.id);
    if (truth.id_is_zero) warnings_.add("have the id 0, so pycocotools never counts them as found", record);
    out_.boxes.push_back(truth);
    return {};
  }

  // numpy makes a double of the id, a string's number included.
  static bool is_zero(const ObjectId& id) {
    if (!id.is_string()) return id.as_double() == 0;
    double number = 1;
    const std::string quoted = id.text();
    return read_unusual_number(std::string_view(quoted).substr(1, quoted.size() - 2), &number) && number == 0;
  }

  const std::vector<RawAnnotation>& raw_;
  Annotations& out_;
  Warnings& warnings_;
};

void append_lines(std::vector<std::string>& lines, const Warnings& warnings, const char* noun) {
  for (std::string& line : warnings.lines(noun)) lines.push_back(std::move(line));
}

}  // namespace

Result<AnnotationFile> read_annotations(ByteView file) {
  ASSAY_TRY(RawFile raw, read_raw(file));
  AnnotationFile result;
  Annotations& annotations = result.annotations;
  Warnings image_warnings, category_warnings, warnings;
  ASSAY_TRY(KnownIds images, unique_ids(std::move(raw.images), "image", image_warnings));
  ASSAY_TRY(KnownIds categories, unique_ids(std::move(raw.categories), "category", category_warnings));
  for (ListedId& image : images.evaluated) annotations.images.push_back(std::move(image.id));
  annotations.unevaluated_images = std::move(images.unevaluated);
  for (ListedId& category : categories.evaluated)
    annotations.categories.push_back({std::move(category.id), std::move(category.name)});
  annotations.boxes.reserve(raw.annotations.size());
  ASSAY_RETURN_IF_ERROR(Assembler(raw.annotations, annotations, warnings).run());
  append_lines(result.warnings, image_warnings, "image");
  append_lines(result.warnings, category_warnings, "category record");
  append_lines(result.warnings, warnings, "annotation");
  const bool nothing = std::all_of(annotations.boxes.begin(), annotations.boxes.end(),
                                   [](const TruthBox& box) { return box.ignore; });
  if (nothing) {
    result.warnings.push_back(std::string(raw.has_annotations ? "" : "'annotations' is missing; ") +
                              "there is nothing to find, so every figure is -1");
  }
  const std::size_t lost = annotations.unevaluated_images.size() + categories.unevaluated.size();
  if (lost > 0) {
    result.warnings.push_back(
        std::to_string(lost) +
        " image or category ids are not exact as doubles and, beside others "
        "that are fractions or at least 2^63, are not evaluated by pycocotools nor here");
  }
  return result;
}

}  // namespace assay::eval::coco
