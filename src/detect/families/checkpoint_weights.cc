#include "detect/families/checkpoint_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "detect/graph/fold.h"
#include "tensor/float16.h"

namespace assay::detect {
namespace {

constexpr std::size_t kMostNamed = 4;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNamed); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostNamed) text += " and " + std::to_string(names.size() - kMostNamed) + " more";
  return text;
}

}  // namespace

std::string CheckpointWeights::first_of(const std::vector<std::string>& names) const {
  const auto found =
      std::find_if(names.begin(), names.end(), [&](const std::string& name) { return has(name); });
  return found == names.end() ? names.front() : *found;
}

std::vector<std::int64_t> CheckpointWeights::shape(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? std::vector<std::int64_t>() : found->second.shape;
}

const TensorView* CheckpointWeights::find(const std::string& name, const Shape& shape) {
  if (!graph_.status().has_value()) return nullptr;
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    missing_.push_back(quote(name) + " " + text_of(shape));
    return nullptr;
  }
  used_.insert(name);
  const TensorView& view = found->second;
  if (view.shape != std::vector<std::int64_t>(shape.begin(), shape.end())) {
    wrong_.push_back(quote(name) + " is " + shape_text(view.shape) + ", expected " + text_of(shape));
    return nullptr;
  }
  if (view.dtype != DType::kF32 && view.dtype != DType::kF16 && view.dtype != DType::kBF16) {
    wrong_.push_back(quote(name) + " is " + std::string(info(view.dtype).name) +
                     ", expected F32, F16 or BF16");
    return nullptr;
  }
  return &view;
}

std::vector<float> CheckpointWeights::floats(const std::string& name, const Shape& shape) {
  const TensorView* view = find(name, shape);
  if (view == nullptr) return {};
  std::vector<float> values(element_count(shape));
  if (view->dtype == DType::kF32) {
    std::memcpy(values.data(), view->bytes.data(), values.size() * sizeof(float));
  } else {
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, view->bytes.data() + i * sizeof bits, sizeof bits);
      values[i] = view->dtype == DType::kF16 ? to_float(Float16{bits}) : to_float(BFloat16{bits});
    }
  }
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    reject(name, "has values that are not finite");
    return {};
  }
  return values;
}

void CheckpointWeights::reject(const std::string& name, std::string_view why) {
  wrong_.push_back(quote(name) + " " + std::string(why));
}

tflite::Data CheckpointWeights::data(const std::string& name, const Shape& shape) {
  const auto found = tensors_.find(name);
  const bool direct = found != tensors_.end() && found->second.dtype == DType::kF32;
  std::vector<float> values = floats(name, shape);
  if (values.empty()) return {};
  return direct ? tflite::Data::borrow(found->second.bytes) : tflite::Data::own_values(values);
}

Status CheckpointWeights::finish() const {
  const Status graph = graph_.status();
  if (missing_.empty() && wrong_.empty()) ASSAY_RETURN_IF_ERROR(graph);
  std::vector<std::string> extra;
  for (const auto& [name, view] : tensors_) {
    // Of a graph that broke off nobody knows what it would have asked for.
    if (!graph.has_value()) break;
    const bool known = used_.contains(name) ||
                       std::any_of(ignored_.begin(), ignored_.end(),
                                   [&](const auto& part) { return name.find(part) != std::string::npos; });
    if (!known) extra.push_back(quote(name));
  }
  std::string text;
  const auto add = [&](std::string_view what, const std::vector<std::string>& names) {
    if (!names.empty()) text += (text.empty() ? "" : "; ") + std::string(what) + listed(names);
  };
  add("missing tensors: ", missing_);
  add("", wrong_);
  add("tensors that a model of this config.json has not: ", extra);
  if (text.empty()) return {};
  return Error{ErrorCode::kCorrupt, text};
}

}  // namespace assay::detect
