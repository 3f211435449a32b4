// What the reader and the writer of GGUF must agree on.
#pragma once
#include <cstdint>
#include <string_view>

namespace assay::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr char kAlignmentKey[] = "general.alignment";
inline constexpr std::uint64_t kDefaultAlignment = 32;
inline constexpr std::uint32_t kMaxDimensions = 4;
inline constexpr std::uint32_t kStringType = 8;
inline constexpr std::uint32_t kArrayType = 9;
inline constexpr std::uint32_t kNumValueTypes = 13;

inline constexpr std::string_view kValueTypeNames[kNumValueTypes] = {
    "uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
    "bool",  "string", "array",  "uint64", "int64",  "float64"};

// Bytes from `offset` to the next multiple of `alignment`, a power of two.
inline std::uint64_t padding_after(std::uint64_t offset, std::uint64_t alignment) {
  return (alignment - (offset & (alignment - 1))) & (alignment - 1);
}

}  // namespace assay::gguf
