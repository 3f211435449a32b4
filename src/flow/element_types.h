// The runtime's element types as this program's.
#pragma once
#include <optional>

#include "base/result.h"
#include "detect/litert/runner.h"
#include "tensor/dtype.h"

namespace assay {

// Nothing for bool, which no detector takes or puts out.
std::optional<DType> dtype_of(litert::ElementType type);

Error unsupported_type(const litert::TensorDescription& tensor);

}  // namespace assay
