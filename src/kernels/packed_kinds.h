// What the packed_<isa>.cc share: names of the kinds of packed weights, a walk over them, and what stands
// beside the integers of a RoundedUnit. All is private to the includer, so that nothing compiled for one
// instruction set is merged with another's.
#pragma once
#include "kernels/kernel_table.h"

namespace assay {
namespace {

enum Offsets { kOneZero, kZeros, kMinimums };  // as PackedOffsets

template <int kBits, typename Body>
void for_offsets(Body body) {
  body.template operator()<kBits, kOneZero>();
  body.template operator()<kBits, kZeros>();
  body.template operator()<kBits, kMinimums>();
}

// body.operator()<kBits, kOffsets>() for every kind.
template <typename Body>
void for_packed_kinds(Body body) {
  for_offsets<2>(body);
  for_offsets<3>(body);
  for_offsets<4>(body);
  for_offsets<8>(body);
}

// `scale` without its last two bits; NaN stays NaN.
inline float without_last_bits(float scale) {
  std::uint32_t bits = 0;
  __builtin_memcpy(&bits, &scale, sizeof(bits));
  bits &= ~3u;
  __builtin_memcpy(&scale, &bits, sizeof(scale));
  return scale;
}

// All but start's part that depends on the zero. sum: of q.
inline void set_factors(float scale, std::int32_t sum, RoundedUnit& unit) {
  unit.scale = scale;
  unit.sum = scale * static_cast<float>(sum);
  unit.shift = -kLargeSum * scale;
  unit.start = kLargeSumBits;
}

}  // namespace
}  // namespace assay
