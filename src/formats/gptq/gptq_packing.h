// How GPTQ checkpoints put codes into 32-bit words.
#pragma once
#include <array>
#include <cstdint>
#include <type_traits>

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

// words has num_words entries, codes num_codes; the rest of the arrays is left alone. With the number of bits
// known to the compiler, for a model has a thousand million codes.
template <int kBits>
inline void unpack_unit(const UnitWords& words, std::uint8_t* codes) {
  constexpr std::uint32_t kMask = (1u << kBits) - 1;
  if constexpr (kBits != 3) {
#pragma GCC unroll 16
    for (int k = 0; k < 32 / kBits; ++k)
      codes[k] = static_cast<std::uint8_t>((words[0] >> (k * kBits)) & kMask);
  } else {
    const std::uint64_t low = words[0] | static_cast<std::uint64_t>(words[1])
                                             << 32;  // codes 0 to 20, and a bit of 21
    const std::uint64_t high = low >> 63 | static_cast<std::uint64_t>(words[2]) << 1;
#pragma GCC unroll 21
    for (int k = 0; k < 21; ++k) codes[k] = static_cast<std::uint8_t>((low >> (k * 3)) & kMask);
#pragma GCC unroll 11
    for (int k = 21; k < 32; ++k) codes[k] = static_cast<std::uint8_t>((high >> ((k - 21) * 3)) & kMask);
  }
}

// Calls body(std::integral_constant<int, bits>).
template <typename Body>
auto for_bits(int bits, Body body) {
  switch (bits) {
    case 2:
      return body(std::integral_constant<int, 2>());
    case 3:
      return body(std::integral_constant<int, 3>());
    case 4:
      return body(std::integral_constant<int, 4>());
    default:
      return body(std::integral_constant<int, 8>());
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
