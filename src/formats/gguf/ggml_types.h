// The tensor types that a GGUF file can name, computable here or not.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace assay::gguf {

struct GgmlType {
  std::uint32_t id;
  std::string_view name;
  std::uint32_t block_values;
  std::uint32_t block_bytes;
};

// Nothing for ids that ggml never had or has dropped. Source: ggml's ggml.h (enum ggml_type) and gguf-py 0.19
// (GGML_QUANT_SIZES).
const GgmlType* ggml_type(std::uint32_t id);

// The dtype of the same name; nothing where this program cannot compute with the type.
std::optional<DType> to_dtype(const GgmlType& type);

// The ggml type of the same name; nothing for dtypes that ggml lacks (U8, BOOL).
const GgmlType* from_dtype(DType dtype);

}  // namespace assay::gguf
