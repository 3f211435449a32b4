#include "flow/inspect_tflite.h"

#include <algorithm>
#include <set>

namespace assay {
namespace {

using tflite::TensorType;

// Indices, shapes and axes are constants too, but no weights.
bool is_weight_type(const tflite::Tensor& tensor) {
  switch (tensor.type) {
    case TensorType::kFloat32:
    case TensorType::kFloat16:
    case TensorType::kBfloat16:
    case TensorType::kFloat64:
      return true;
    default:
      return tensor.is_quantized();
  }
}

void count_constants(TfliteInspection& inspection) {
  std::set<std::uint32_t> seen;
  std::uint64_t weight_bytes = 0;
  for (const auto& subgraph : inspection.model.subgraphs) {
    for (const auto& tensor : subgraph.tensors) {
      const std::uint64_t bytes = inspection.model.data(tensor).size();
      if (bytes == 0 || !seen.insert(tensor.buffer).second) continue;
      inspection.constant_bytes += bytes;
      inspection.constant_types[tflite::name_of(tensor.type)] += bytes;
      if (!is_weight_type(tensor)) continue;
      weight_bytes += bytes;
      std::uint64_t values = 1;
      for (const std::int32_t size : tensor.shape) values *= static_cast<std::uint64_t>(std::max(size, 0));
      inspection.parameters += values;
    }
  }
  // Biases stay wider than weights, so a type counts as the weights' when it has nine tenths of the bytes.
  inspection.weight_type = inspection.parameters == 0 ? "none" : "mixed";
  for (const auto& [type, bytes] : inspection.constant_types) {
    if (10 * bytes < 9 * weight_bytes) continue;
    inspection.weight_type = type;
    std::transform(type.begin(), type.end(), inspection.weight_type.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  }
}

}  // namespace

Result<TfliteInspection> inspect_tflite(const std::filesystem::path& path) {
  ASSAY_TRY(MappedFile file, MappedFile::open(path));
  auto model = tflite::parse(file.bytes());
  if (!model) return model.error().with_context(path.string());
  TfliteInspection inspection{std::move(file), *std::move(model)};
  for (const auto& subgraph : inspection.model.subgraphs) {
    for (const auto& op : subgraph.operators) {
      const bool custom = op.op == tflite::Op::kCustom;
      const std::string name = custom ? op.custom_code : tflite::name_of(op.op);
      ++inspection.operators[name];
      if (custom) ++inspection.custom_operators[name];
    }
  }
  count_constants(inspection);
  return inspection;
}

std::string quantization_text(const tflite::Quantization& quantization) {
  if (quantization.scale.empty()) return "";
  if (quantization.scale.size() > 1)
    return std::to_string(quantization.scale.size()) + " scales along dimension " +
           std::to_string(quantization.dimension);
  std::string text = "scale " + std::to_string(quantization.scale[0]);
  if (!quantization.zero_point.empty()) text += ", zero point " + std::to_string(quantization.zero_point[0]);
  return text;
}

}  // namespace assay
