#include "flow/element_types.h"

namespace assay {

using litert::ElementType;

std::optional<DType> dtype_of(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return DType::kF32;
    case ElementType::kFloat16:
      return DType::kF16;
    case ElementType::kInt8:
      return DType::kI8;
    case ElementType::kUint8:
      return DType::kU8;
    case ElementType::kInt16:
      return DType::kI16;
    case ElementType::kInt32:
      return DType::kI32;
    case ElementType::kInt64:
      return DType::kI64;
    case ElementType::kBool:
      break;
  }
  return std::nullopt;
}

Error unsupported_type(const litert::TensorDescription& tensor) {
  return {ErrorCode::kUnsupported,
          "tensor " + tensor.name + " is " + to_string(tensor.type) + ", expected numbers"};
}

}  // namespace assay
