// What every checkpoint reader hands out and every checkpoint writer is told.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace assay {

// A stored tensor, borrowed from the bytes that were parsed and valid as long as they are.
// Row-major, outermost dimension first; no shape entry is negative; an empty shape is a scalar. Nothing
// promises that `bytes` is aligned for its type. bytes.size() is what dtype and shape say (checked by the
// parser).
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  ByteView bytes;
};

// A tensor that is going to be written.
struct TensorDeclaration {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;

  bool operator==(const TensorDeclaration&) const = default;
};

// How values of a type are stored, also for types that have no DType.
struct StorageType {
  std::string_view name;
  std::uint32_t block_values = 1;
  std::uint32_t block_bytes = 1;
};

// Bytes of a tensor of this type and shape. Errors (kCorrupt; the message starts with `name`): a negative
// dimension, more bytes than 63 bits count, a last dimension that is not a multiple of the type's block.
Result<std::uint64_t> tensor_bytes(const std::string& name, const StorageType& type,
                                   const std::vector<std::int64_t>& shape);
Result<std::uint64_t> tensor_bytes(const std::string& name, DType dtype,
                                   const std::vector<std::int64_t>& shape);

// Text from a file as it may stand in a one-line message: in quotes, control bytes escaped, at most 120 bytes
// of it.
std::string quote(std::string_view text);

// "[2, 3]"
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace assay
