#include "detect/families/processor.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

constexpr std::int64_t kLargestSide = 1 << 14;
// PIL's numbers of filters.
constexpr int kYolosPatch = 16;
constexpr std::int64_t kNearest = 0, kBilinear = 2, kBicubic = 3;

Result<std::array<float, 3>> three(const nlohmann::json& object, const char* key,
                                   std::array<float, 3> fallback) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (!found->is_array() || found->size() != 3 ||
      !std::all_of(found->begin(), found->end(), [](const auto& entry) { return entry.is_number(); }))
    return Error{ErrorCode::kCorrupt, std::string(key) + ": expected three numbers"};
  return std::array<float, 3>{(*found)[0].get<float>(), (*found)[1].get<float>(), (*found)[2].get<float>()};
}

Result<int> side(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return 0;
  if (!found->is_number_integer() || found->get<std::int64_t>() < 1 ||
      found->get<std::int64_t>() > kLargestSide)
    return Error{ErrorCode::kCorrupt, std::string("size.") + key + ": expected an integer from 1 to " +
                                          std::to_string(kLargestSide)};
  return found->get<int>();
}

Status read_size(const nlohmann::json& object, Processor& processor) {
  const auto size = object.find("size");
  if (size != object.end() && size->is_number_integer()) {
    // As the first versions wrote it: the shortest edge, with max_size beside it.
    const nlohmann::json edges = {{"shortest_edge", *size}, {"longest_edge", object.value("max_size", 1333)}};
    return read_size({{"size", edges}}, processor);
  }
  if (size == object.end() || !size->is_object()) return Error{ErrorCode::kCorrupt, "size: missing"};
  ASSAY_TRY(const int height, side(*size, "height"));
  ASSAY_TRY(const int width, side(*size, "width"));
  if (height > 0 && width > 0) {
    processor.exact = InputSize{height, width};
    return {};
  }
  ASSAY_TRY(processor.shortest_edge, side(*size, "shortest_edge"));
  ASSAY_TRY(processor.longest_edge, side(*size, "longest_edge"));
  if (processor.shortest_edge > 0) return {};
  return Error{ErrorCode::kUnsupported, "size: expected height and width, or shortest_edge"};
}

}  // namespace

Result<Processor> read_processor(std::string_view json) {
  ASSAY_TRY(const nlohmann::json object, parse_json_object(as_bytes(json)));
  JsonFields fields(object);
  const bool normalizes = fields.boolean("do_normalize", true), rescales = fields.boolean("do_rescale", true);
  const double factor = fields.number("rescale_factor", 1.0 / 255.0);
  const std::int64_t resample = fields.integer("resample", kBilinear);
  const std::string type = fields.text("image_processor_type", fields.text("feature_extractor_type", ""));
  ASSAY_RETURN_IF_ERROR(fields.status());
  Processor processor;
  ASSAY_RETURN_IF_ERROR(read_size(object, processor));
  if (type.starts_with("Yolos")) processor.multiple = kYolosPatch;
  switch (resample) {
    case kNearest:
      processor.resize = ResizeKind::kPillowNearest;
      break;
    case kBilinear:
      processor.resize = ResizeKind::kPillowBilinear;
      break;
    case kBicubic:
      processor.resize = ResizeKind::kPillowBicubic;
      break;
    default:
      return Error{ErrorCode::kUnsupported, "resample: " + std::to_string(resample) + ", expected 0, 2 or 3"};
  }
  ASSAY_TRY(const auto mean, three(object, "image_mean", {0.485f, 0.456f, 0.406f}));
  ASSAY_TRY(const auto std, three(object, "image_std", {0.229f, 0.224f, 0.225f}));
  const double scale = rescales ? factor : 1.0;
  if (!(scale > 0)) return Error{ErrorCode::kCorrupt, "rescale_factor: expected a positive number"};
  for (std::size_t c = 0; c < 3; ++c) {
    if (normalizes && !(std[c] > 0))
      return Error{ErrorCode::kCorrupt, "image_std: expected positive numbers"};
    processor.mean[c] = normalizes ? static_cast<float>(mean[c] / scale) : 0.0f;
    processor.std[c] = static_cast<float>((normalizes ? std[c] : 1.0) / scale);
  }
  return processor;
}

InputSize processed_size(const Processor& processor, InputSize picture) {
  if (processor.exact) return *processor.exact;
  const double shorter = std::min(picture.height, picture.width),
               longer = std::max(picture.height, picture.width);
  double exact_edge = processor.shortest_edge;
  // Python's round, to even, of the edge that keeps the longer one within its limit.
  if (processor.longest_edge > 0 && longer / shorter * exact_edge > processor.longest_edge)
    exact_edge = processor.longest_edge * shorter / longer;
  const int edge = static_cast<int>(std::nearbyint(exact_edge));
  const int other = static_cast<int>(shorter) == edge ? static_cast<int>(longer)
                                                      : static_cast<int>(exact_edge * longer / shorter);
  InputSize size = picture.width < picture.height ? InputSize{other, edge} : InputSize{edge, other};
  size.height -= size.height % processor.multiple;
  size.width -= size.width % processor.multiple;
  return size;
}

}  // namespace assay::detect
