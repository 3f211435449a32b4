// How GPTQ checkpoints put codes into 32-bit words.
#pragma once
#include <array>
#include <cstdint>

namespace assay {

// Codes are packed in units of whole words: 32 codes in three words for 3 bits, 32 / bits codes in one word
// otherwise. A unit is one little-endian stream of bits, code k in bits [k * bits, (k + 1) * bits).
struct GptqUnit {
  int bits;
  int num_words;
  int num_codes;
};

inline constexpr int kMaxUnitWords = 3;
inline constexpr int kMaxUnitCodes = 32;
using UnitWords = std::array<std::uint32_t, kMaxUnitWords>;
using UnitCodes = std::array<std::uint8_t, kMaxUnitCodes>;

// REQUIRES: bits in {2, 3, 4, 8}.
inline GptqUnit gptq_unit(int bits) { return bits == 3 ? GptqUnit{3, 3, 32} : GptqUnit{bits, 1, 32 / bits}; }

// words has unit.num_words entries, codes unit.num_codes; the rest of the arrays is left alone.
inline void unpack_unit(const GptqUnit& unit, const UnitWords& words, UnitCodes& codes) {
  const std::uint64_t mask = (std::uint64_t{1} << unit.bits) - 1;
  std::uint64_t window = 0;  // the next `available` bits of the stream
  int available = 0;
  std::size_t next = 0;
  for (int k = 0; k < unit.num_codes; ++k) {
    if (available < unit.bits) {
      window |= static_cast<std::uint64_t>(words[next++]) << available;
      available += 32;
    }
    codes[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(window & mask);
    window >>= unit.bits;
    available -= unit.bits;
  }
}

// REQUIRES: every code < 2^bits.
inline void pack_unit(const GptqUnit& unit, const UnitCodes& codes, UnitWords& words) {
  std::uint64_t window = 0;  // `filled` bits that are not in a word yet
  int filled = 0;
  std::size_t next = 0;
  for (int k = 0; k < unit.num_codes; ++k) {
    window |= static_cast<std::uint64_t>(codes[static_cast<std::size_t>(k)]) << filled;
    filled += unit.bits;
    if (filled < 32) continue;
    words[next++] = static_cast<std::uint32_t>(window);
    window >>= 32;
    filled -= 32;
  }
}

}  // namespace assay
