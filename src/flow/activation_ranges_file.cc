#include "flow/activation_ranges_file.h"

#include <cmath>
#include <utility>

#include "formats/json/json_reader.h"

namespace assay {
namespace {

constexpr int kDepth = 5;

Result<double> number(const nlohmann::json& entry, const char* field) {
  const auto found = entry.find(field);
  if (found == entry.end() || !found->is_number())
    return Error{ErrorCode::kCorrupt, std::string("has no number '") + field + "'"};
  return found->get<double>();
}

Result<std::vector<float>> read_means(const nlohmann::json& entry) {
  std::vector<float> means;
  const auto found = entry.find("means");
  if (found == entry.end()) return means;
  const Error error{ErrorCode::kCorrupt, "'means' is not an array of finite numbers"};
  if (!found->is_array()) return error;
  for (const auto& mean : *found) {
    if (!mean.is_number() || !std::isfinite(mean.get<float>())) return error;
    means.push_back(mean.get<float>());
  }
  return means;
}

Status read_entry(const nlohmann::json& entry, const tflite::Model& model, tflite::ActivationRanges& ranges) {
  if (!entry.is_object()) return Error{ErrorCode::kCorrupt, "is not an object"};
  ASSAY_TRY(const double index, number(entry, "tensor"));
  ASSAY_TRY(const double min, number(entry, "min"));
  ASSAY_TRY(const double max, number(entry, "max"));
  if (!(index >= 0) || index >= static_cast<double>(ranges.size()) || index != std::floor(index))
    return Error{ErrorCode::kCorrupt, "'tensor' is not the number of one of the model's " +
                                          std::to_string(ranges.size()) + " tensors"};
  const auto at = static_cast<std::size_t>(index);
  const auto name = entry.find("name");
  if (name != entry.end() && *name != model.main().tensors[at].name)
    return Error{ErrorCode::kCorrupt,
                 "'name' is not the name of tensor " + std::to_string(at) + " (ranges of another model?)"};
  if (!(min <= max) || !std::isfinite(static_cast<float>(min)) || !std::isfinite(static_cast<float>(max)))
    return Error{ErrorCode::kCorrupt, "'min' and 'max' are not finite, or min is above max"};
  double rms = 0;
  if (entry.contains("rms")) {
    ASSAY_TRY(rms, number(entry, "rms"));
    if (!(rms >= 0) || !std::isfinite(static_cast<float>(rms)))
      return Error{ErrorCode::kCorrupt, "'rms' is negative or not finite"};
  }
  ASSAY_TRY(std::vector<float> means, read_means(entry));
  ranges[at] = tflite::Range{static_cast<float>(min), static_cast<float>(max), static_cast<float>(rms),
                             std::move(means)};
  return {};
}

}  // namespace

Result<tflite::ActivationRanges> parse_activation_ranges(ByteView json, const tflite::Model& model) {
  ASSAY_TRY(const auto root, parse_json(json, kDepth));
  if (!root.is_object() || !root.contains("ranges") || !root["ranges"].is_array())
    return Error{ErrorCode::kCorrupt, "expected an object with an array 'ranges'"};
  tflite::ActivationRanges ranges(model.main().tensors.size());
  for (std::size_t i = 0; i < root["ranges"].size(); ++i) {
    const auto status = read_entry(root["ranges"][i], model, ranges);
    if (!status) return status.error().with_context("ranges[" + std::to_string(i) + "]");
  }
  return ranges;
}

std::string write_activation_ranges(const tflite::ActivationRanges& ranges, const tflite::Model& model) {
  nlohmann::ordered_json entries = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (!ranges[i]) continue;
    entries.push_back({{"tensor", i},
                       {"name", model.main().tensors[i].name},
                       {"min", ranges[i]->min},
                       {"max", ranges[i]->max},
                       {"rms", ranges[i]->rms}});
    if (!ranges[i]->channel_means.empty()) entries.back()["means"] = ranges[i]->channel_means;
  }
  return nlohmann::ordered_json{{"ranges", std::move(entries)}}.dump(
             1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace assay
