#include "detect/heads/output.h"

#include <cstring>

#include "formats/tensor_view.h"
#include "tensor/float16.h"

namespace assay::detect {
namespace {

template <typename T>
std::vector<float> widen(ByteView bytes, const OutputQuantization& quantization) {
  std::vector<float> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(T), sizeof(T));
    if constexpr (std::is_same_v<T, float>) {
      values[i] = stored;
    } else if constexpr (std::is_same_v<T, Float16>) {
      values[i] = to_float(stored);
    } else if (quantization.scale == 0.0f) {
      values[i] = static_cast<float>(stored);
    } else {
      values[i] = static_cast<float>(stored - quantization.zero_point) * quantization.scale;
    }
  }
  return values;
}

}  // namespace

Result<Output> read_output(OutputInfo info, DType dtype, const OutputQuantization& quantization,
                           ByteView bytes) {
  const std::string name = "output " + quote(info.name);
  ASSAY_TRY(const std::uint64_t expected, tensor_bytes(name, dtype, info.shape));
  if (bytes.size() != expected) {
    return Error{ErrorCode::kCorrupt, name + ": " + std::to_string(bytes.size()) + " bytes, expected " +
                                          std::to_string(expected) + " for shape " + shape_text(info.shape)};
  }
  Output output{std::move(info), {}};
  switch (dtype) {
    case DType::kF32:
      output.values = widen<float>(bytes, quantization);
      break;
    case DType::kF16:
      output.values = widen<Float16>(bytes, quantization);
      break;
    case DType::kU8:
      output.values = widen<std::uint8_t>(bytes, quantization);
      break;
    case DType::kI8:
      output.values = widen<std::int8_t>(bytes, quantization);
      break;
    case DType::kI16:
      output.values = widen<std::int16_t>(bytes, quantization);
      break;
    case DType::kI32:
      output.values = widen<std::int32_t>(bytes, quantization);
      break;
    case DType::kI64:
      output.values = widen<std::int64_t>(bytes, quantization);
      break;
    default:
      return Error{ErrorCode::kUnsupported, name + ": type " + std::string(assay::info(dtype).name) +
                                                ", expected F32, F16 or an integer type up to 64 bits"};
  }
  return output;
}

}  // namespace assay::detect
