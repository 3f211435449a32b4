// What the packed_<isa>.cc share: names of the kinds of packed weights, and a walk over them. All is private to
// the includer, so that nothing compiled for one instruction set is merged with another's.
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

}  // namespace
}  // namespace assay
