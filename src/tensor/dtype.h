// The element types of stored tensors. One table says everything about each.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace assay {

enum class DType : std::uint8_t {
  kF64, kF32, kF16, kBF16,
  kI64, kI32, kI16, kI8, kU64, kU32, kU16, kU8, kBool,
  kF8_E4M3, kF8_E5M2,  // named and measured, not computed with
  // ggml's block types (tensor/ggml_blocks.h)
  kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K,
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;         // "F32", "Q4_1": as safetensors and ggml spell it
  std::uint32_t block_values;    // values per block; 1 for plain types
  std::uint32_t block_bytes;     // bytes per block
};

const DTypeInfo& info(DType dtype);

// By the name above; nothing when unknown.
std::optional<DType> dtype_from_name(std::string_view name);

// True for the types whose values the engine can use as weights: F32, F16, BF16 and the ggml blocks.
bool is_weight_dtype(DType dtype);

// Bytes of `num_values` consecutive values. REQUIRES: a multiple of block_values, and no overflow (check with
// checked_multiply before, where the number comes from a file).
std::uint64_t num_bytes(DType dtype, std::uint64_t num_values);

}  // namespace assay
