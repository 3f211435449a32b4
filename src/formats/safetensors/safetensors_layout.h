// What the reader and the writer of safetensors must agree on.
#pragma once
#include <cstdint>

namespace assay {

inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
inline constexpr char kMetadataKey[] = "__metadata__";

}  // namespace assay
