// The 64-bit FNV-1a hash: identifies data and settings in records. Not for cryptography.
#pragma once
#include <cstdint>

#include "base/bytes.h"

namespace assay {

inline std::uint64_t fnv1a(ByteView bytes, std::uint64_t hash = 0xcbf29ce484222325ULL) {
  for (const std::byte byte : bytes) {
    hash ^= static_cast<std::uint64_t>(byte);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace assay
