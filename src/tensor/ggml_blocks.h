// The block formats of ggml that GGUF files carry: how 32 or 256 consecutive values of a row are stored.
// Layouts as in ggml's ggml-common.h. d, dmin and m are IEEE half; qs pack low nibbles first.
// dequantization of value i is given beside each; kernels/dequantize.h implements it.
#pragma once
#include <cstdint>

#include "tensor/float16.h"

namespace assay {

inline constexpr int kSmallBlock = 32;
inline constexpr int kSuperBlock = 256;

// value[i] = d * (nibble - 8); nibble i of 0..15 is the low half of qs[i], of 16..31 the high half of qs[i-16].
struct BlockQ4_0 {
  Float16 d;
  std::uint8_t qs[16];
};
// value[i] = d * nibble + m
struct BlockQ4_1 {
  Float16 d, m;
  std::uint8_t qs[16];
};
// value[i] = d * ((nibble | bit i of qh << 4) - 16)
struct BlockQ5_0 {
  Float16 d;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
// value[i] = d * (nibble | bit i of qh << 4) + m
struct BlockQ5_1 {
  Float16 d, m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
// value[i] = d * qs[i]
struct BlockQ8_0 {
  Float16 d;
  std::int8_t qs[32];
};
// 16 sub-blocks of 16: value = d * (scales[s] & 15) * q2 - dmin * (scales[s] >> 4)
struct BlockQ2_K {
  std::uint8_t scales[16];
  std::uint8_t qs[64];
  Float16 d, dmin;
};
// 16 sub-blocks of 16: value = d * (scale6[s] - 32) * ((q2 | high << 2) - 4)
struct BlockQ3_K {
  std::uint8_t hmask[32];
  std::uint8_t qs[64];
  std::uint8_t scales[12];
  Float16 d;
};
// 8 sub-blocks of 32: value = d * scale6[s] * nibble - dmin * min6[s]
struct BlockQ4_K {
  Float16 d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};
// 8 sub-blocks of 32: value = d * scale6[s] * (nibble | high << 4) - dmin * min6[s]
struct BlockQ5_K {
  Float16 d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];
  std::uint8_t qs[128];
};
// 16 sub-blocks of 16: value = d * scales[s] * ((nibble | high2 << 4) - 32)
struct BlockQ6_K {
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  Float16 d;
};

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22);
static_assert(sizeof(BlockQ5_1) == 24 && sizeof(BlockQ8_0) == 34 && sizeof(BlockQ2_K) == 84);
static_assert(sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176);
static_assert(sizeof(BlockQ6_K) == 210);

}  // namespace assay
