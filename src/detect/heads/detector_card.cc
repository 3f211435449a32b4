#include "detect/heads/detector_card.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "formats/json/json_fields.h"
#include "formats/tensor_view.h"

namespace assay::detect {
namespace {

constexpr std::array<std::pair<ResizeKind, std::string_view>, 3> kResizes = {
    {{ResizeKind::kPillowBilinear, "bilinear"},
     {ResizeKind::kPillowBicubic, "bicubic"},
     {ResizeKind::kOpenCvLinear, "bilinear-without-antialiasing"}}};
constexpr std::array<std::pair<FitKind, std::string_view>, 2> kFits = {
    {{FitKind::kStretch, "stretch"}, {FitKind::kLetterboxTopLeft, "pad"}}};
constexpr std::size_t kMostLabels = 1 << 16;
constexpr std::int64_t kLargestEdge = 1 << 14;

template <typename Table, typename Kind>
std::string_view name_in(const Table& table, Kind kind) {
  for (const auto& [entry, name] : table) {
    if (entry == kind) return name;
  }
  return "";
}

template <typename Table, typename Kind>
Status find_in(const Table& table, const std::string& key, const std::string& text, Kind& kind) {
  std::string known;
  for (const auto& [entry, name] : table) {
    if (name == text) {
      kind = entry;
      return {};
    }
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return Error{ErrorCode::kCorrupt, key + ": " + quote(text) + ", expected one of " + known};
}

Status read_three(const nlohmann::json& object, const char* key, bool positive,
                  std::array<float, 3>& values) {
  const auto found = object.find(key);
  const auto usable = [&](const nlohmann::json& entry) {
    return entry.is_number() && std::isfinite(entry.get<float>()) && (!positive || entry.get<float>() > 0);
  };
  if (found == object.end() || !found->is_array() || found->size() != 3 ||
      !std::all_of(found->begin(), found->end(), usable))
    return Error{ErrorCode::kCorrupt,
                 std::string(key) + ": expected three " + (positive ? "positive " : "") + "numbers"};
  for (std::size_t i = 0; i < 3; ++i) values[i] = (*found)[i].get<float>();
  return {};
}

}  // namespace

std::string card_json(const DetectorCard& card) {
  return nlohmann::ordered_json{{"architecture", card.architecture},
                                {"head", head_name(card.head)},
                                {"max_detections", card.max_detections},
                                {"resize", name_in(kResizes, card.resize)},
                                {"fit", name_in(kFits, card.fit)},
                                {"shortest_edge", card.shortest_edge},
                                {"longest_edge", card.longest_edge},
                                {"mean", card.mean},
                                {"std", card.std},
                                {"labels", card.labels}}
      .dump();
}

Result<DetectorCard> parse_card(ByteView json) {
  ASSAY_TRY(const nlohmann::json object, parse_json_object(json));
  JsonFields fields(object);
  DetectorCard card;
  card.architecture = fields.text("architecture", "");
  const std::string head = fields.text("head", "");
  const std::int64_t most = fields.integer("max_detections", 0);
  const std::int64_t shortest = fields.integer("shortest_edge", 0),
                     longest = fields.integer("longest_edge", 0);
  const std::string resize = fields.text("resize", ""), fit = fields.text("fit", "");
  ASSAY_RETURN_IF_ERROR(fields.status());
  ASSAY_TRY(card.head, head_from_name(head));
  if (most < 0 || most > 1'000'000)
    return Error{ErrorCode::kCorrupt, "max_detections: " + std::to_string(most) + ", expected 0 to 1000000"};
  card.max_detections = static_cast<int>(most);
  if (shortest < 0 || shortest > kLargestEdge || longest < 0 || longest > kLargestEdge)
    return Error{ErrorCode::kCorrupt,
                 "shortest_edge, longest_edge: expected 0 to " + std::to_string(kLargestEdge)};
  card.shortest_edge = static_cast<int>(shortest);
  card.longest_edge = static_cast<int>(longest);
  ASSAY_RETURN_IF_ERROR(find_in(kResizes, "resize", resize, card.resize));
  ASSAY_RETURN_IF_ERROR(find_in(kFits, "fit", fit, card.fit));
  ASSAY_RETURN_IF_ERROR(read_three(object, "mean", false, card.mean));
  ASSAY_RETURN_IF_ERROR(read_three(object, "std", true, card.std));
  const auto labels = object.find("labels");
  if (labels == object.end() || !labels->is_array() || labels->empty() || labels->size() > kMostLabels ||
      !std::all_of(labels->begin(), labels->end(), [](const auto& entry) { return entry.is_string(); }))
    return Error{ErrorCode::kCorrupt, "labels: expected 1 to " + std::to_string(kMostLabels) + " texts"};
  card.labels = labels->get<std::vector<std::string>>();
  return card;
}

Result<std::optional<DetectorCard>> find_card(const tflite::Model& model) {
  for (const tflite::Metadata& entry : model.metadata) {
    if (entry.name != kDetectorCardName) continue;
    auto card = parse_card(model.buffers[entry.buffer].data.bytes());
    if (!card) return card.error().with_context("metadata " + std::string(kDetectorCardName));
    return std::optional<DetectorCard>(*std::move(card));
  }
  return std::optional<DetectorCard>();
}

}  // namespace assay::detect
