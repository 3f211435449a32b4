// Dequantization in terms of Simd. Codes are first spread to one byte each, 16 bytes at a time, then
// converted and scaled by vectors in ggml's order of operations. Include beside one simd_<isa>.h.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

inline std::uint16_t load_u16(const std::uint8_t* p) {
  std::uint16_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

// 16 bytes that compilers treat as one value. Codes are written and read in such units: a load that spans two
// smaller stores would wait for both.
using Bytes = std::uint8_t __attribute__((vector_size(16)));

inline Bytes load_bytes(const std::uint8_t* p) {
  Bytes bytes;
  std::memcpy(&bytes, p, sizeof(bytes));
  return bytes;
}
inline void store_bytes(std::uint8_t* p, Bytes bytes) { std::memcpy(p, &bytes, sizeof(bytes)); }

// codes[i] |= bit i of `bits` << kShift, for 8 * num_bytes codes; num_bytes is even.
template <typename S, int kShift>
void add_bits(const std::uint8_t* bits, int num_bytes, std::uint8_t* codes) {
  for (int i = 0; i < num_bytes; i += 2) {
    const auto high = S::bytes_where(load_u16(bits + i), 1u << kShift);
    store_bytes(codes + 8 * i, load_bytes(codes + 8 * i) | reinterpret_cast<const Bytes&>(high));
  }
}

// Planes of kBits bits: codes[p * num_bytes + i] = field p of byte i. num_bytes is a multiple of 16.
template <int kBits>
void spread_planes(const std::uint8_t* in, int num_bytes, std::uint8_t* codes) {
  constexpr std::uint8_t kMask = (1u << kBits) - 1u;
  for (int i = 0; i < num_bytes; i += 16) {
    const Bytes bytes = load_bytes(in + i);
#pragma GCC unroll 4
    for (int p = 0; p < 8 / kBits; ++p)
      store_bytes(codes + p * num_bytes + i, (bytes >> (p * kBits)) & kMask);
  }
}

// codes[32 p + i] |= bit p of in[i] << kShift, for i < 32 and p < 8.
template <int kShift>
void add_bit_planes(const std::uint8_t* in, std::uint8_t* codes) {
  for (int i = 0; i < 32; i += 16) {
    const Bytes bytes = load_bytes(in + i);
#pragma GCC unroll 8
    for (int p = 0; p < 8; ++p) {
      std::uint8_t* to = codes + 32 * p + i;
      store_bytes(to, load_bytes(to) | (((bytes >> p) & 1) << kShift));
    }
  }
}

// The 64 codes of a chunk of tensor/group_quant.h.
template <typename S, int kBits>
void spread_chunk(const std::uint8_t* chunk, std::uint8_t* codes) {
  if constexpr (kBits == 8) {
    std::memcpy(codes, chunk, 64);
  } else if constexpr (kBits == 3) {
    spread_planes<2>(chunk, 16, codes);
    add_bits<S, 2>(chunk + 16, 8, codes);
  } else {
    spread_planes<kBits>(chunk, 8 * kBits, codes);
  }
}

// out[i] = convert(codes[i]), `count` of them.
template <typename S, typename Convert>
void convert_run(const std::uint8_t* codes, std::int64_t count, float* out, Convert convert) {
  std::int64_t i = 0;
  for (; i + S::kLanes <= count; i += S::kLanes) S::store(out + i, convert(S::from_bytes(codes + i)));
  if (i == count) return;
  std::uint8_t rest[S::kLanes] = {};
  for (int j = 0; j < count - i; ++j) rest[j] = codes[i + j];
  S::store_first(out + i, static_cast<int>(count - i), convert(S::from_bytes(rest)));
}

template <typename S, int kBits>
void dequantize_groups(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end,
                       float* out) {
  constexpr std::int64_t kPart = 1024;
  alignas(64) std::uint8_t codes[kPart];
  const std::uint16_t* scales = w.scales + row * w.num_groups;
  const std::uint8_t* zeros = w.zeros + row * w.num_groups;
  const std::uint8_t* chunk = w.data + row * w.row_bytes + begin / 64 * (8 * kBits);
  std::int64_t group = begin / w.group_size;
  std::int64_t group_end = (group + 1) * w.group_size;
  for (std::int64_t part = begin; part < end; part += kPart) {
    const std::int64_t part_end = end - part < kPart ? end : part + kPart;
    for (std::int64_t c = part; c < part_end; c += 64, chunk += 8 * kBits)
      spread_chunk<S, kBits>(chunk, codes + (c - part));
    for (std::int64_t c = part; c < part_end;) {
      const std::int64_t run_end = group_end < part_end ? group_end : part_end;
      const auto scale = S::set(S::from_half(scales[group]));
      const auto zero = S::set(static_cast<float>(zeros[group]));
      convert_run<S>(codes + (c - part), run_end - c, out + (c - begin),
                     [&](auto q) { return S::mul(scale, S::sub(q, zero)); });
      c = run_end;
      if (c == group_end) group_end += w.group_size, ++group;
    }
  }
}

template <typename S>
void dequantize_f32(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end, float* out) {
  if (begin == end) return;  // there may be no data at all
  std::memcpy(out, w.data + row * w.row_bytes + begin * 4, static_cast<std::size_t>(end - begin) * 4);
}

// Two-byte floats, kLanes at a time.
template <typename S, bool kBrain>
void dequantize_halves(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end,
                       float* out) {
  const std::uint8_t* in = w.data + row * w.row_bytes + begin * 2;
  const std::int64_t count = end - begin;
  const auto convert = [](const std::uint8_t* p) { return kBrain ? S::from_brains(p) : S::from_halves(p); };
  std::int64_t i = 0;
  for (; i + S::kLanes <= count; i += S::kLanes) S::store(out + i, convert(in + 2 * i));
  if (i == count) return;
  std::uint8_t rest[2 * S::kLanes] = {};
  std::memcpy(rest, in + 2 * i, static_cast<std::size_t>(count - i) * 2);
  S::store_first(out + i, static_cast<int>(count - i), convert(rest));
}

// ggml's blocks; the layouts are in tensor/ggml_blocks.h. Each has its bytes, its values, and how they become
// floats.
template <typename S, bool kFifthBit, bool kMinimum>
struct SmallBlock {  // Q4_0, Q4_1, Q5_0, Q5_1
  static constexpr int kValues = 32;
  static constexpr int kBytes = 2 + (kMinimum ? 2 : 0) + (kFifthBit ? 4 : 0) + 16;
  static void convert(const std::uint8_t* in, float* out) {
    alignas(64) std::uint8_t codes[32];
    spread_planes<4>(in + kBytes - 16, 16, codes);
    if constexpr (kFifthBit) add_bits<S, 4>(in + kBytes - 20, 4, codes);
    const auto d = S::set(S::from_half(load_u16(in)));
    if constexpr (kMinimum) {
      const auto m = S::set(S::from_half(load_u16(in + 2)));
      convert_run<S>(codes, 32, out, [&](auto q) { return S::add(S::mul(q, d), m); });
    } else {
      const auto middle = S::set(kFifthBit ? 16.0f : 8.0f);
      convert_run<S>(codes, 32, out, [&](auto q) { return S::mul(S::sub(q, middle), d); });
    }
  }
};

template <typename S>
struct BlockQ8 {
  static constexpr int kValues = 32;
  static constexpr int kBytes = 34;
  static void convert(const std::uint8_t* in, float* out) {
    alignas(64) std::uint8_t codes[32];
    for (int i = 0; i < 32; i += 16)
      store_bytes(codes + i, load_bytes(in + 2 + i) ^ 0x80);  // the signed value + 128
    const auto d = S::set(S::from_half(load_u16(in)));
    const auto middle = S::set(128.0f);
    convert_run<S>(codes, 32, out, [&](auto q) { return S::mul(S::sub(q, middle), d); });
  }
};

// The 2-bit planes of a super-block's halves lie as its values do: value 128 h + 32 p + i is field p of byte
// 32 h + i.
inline void spread_two_bits(const std::uint8_t* in, std::uint8_t* codes) {
  spread_planes<2>(in, 32, codes);
  spread_planes<2>(in + 32, 32, codes + 128);
}

template <typename S>
struct BlockQ2K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 84;
  static void convert(const std::uint8_t* in, float* out) {
    alignas(64) std::uint8_t codes[256];
    spread_two_bits(in + 16, codes);
    const float d = S::from_half(load_u16(in + 80));
    const float min = S::from_half(load_u16(in + 82));
    for (int s = 0; s < 16; ++s) {
      const auto scale = S::set(d * static_cast<float>(in[s] & 15));
      const auto shift = S::set(min * static_cast<float>(in[s] >> 4));
      convert_run<S>(codes + 16 * s, 16, out + 16 * s,
                     [&](auto q) { return S::sub(S::mul(scale, q), shift); });
    }
  }
};

template <typename S>
struct BlockQ3K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 110;
  // 6-bit scale s: low 4 bits in the nibbles of the first 8 bytes, high 2 bits in the last 4 bytes.
  static int scale(const std::uint8_t* scales, int s) {
    const int low = s < 8 ? scales[s] & 15 : scales[s - 8] >> 4;
    return low | ((scales[8 + s % 4] >> (s / 4 * 2)) & 3) << 4;
  }
  static void convert(const std::uint8_t* in, float* out) {
    alignas(64) std::uint8_t codes[256];
    spread_two_bits(in + 32, codes);
    // Bit p of hmask[i] is the high bit of value 32 p + i; set means that 4 is not subtracted.
    add_bit_planes<2>(in, codes);
    const float d = S::from_half(load_u16(in + 108));
    const auto four = S::set(4.0f);
    for (int s = 0; s < 16; ++s) {
      const auto dl = S::set(d * static_cast<float>(scale(in + 96, s) - 32));
      convert_run<S>(codes + 16 * s, 16, out + 16 * s, [&](auto q) { return S::mul(dl, S::sub(q, four)); });
    }
  }
};

template <typename S, bool kFifthBit>
struct BlockQ45K {  // Q4_K, Q5_K
  static constexpr int kValues = 256;
  static constexpr int kBytes = kFifthBit ? 176 : 144;
  static void convert(const std::uint8_t* in, float* out) {
    alignas(64) std::uint8_t codes[256];
    const std::uint8_t* qs = in + (kFifthBit ? 48 : 16);
    for (int pair = 0; pair < 4; ++pair) spread_planes<4>(qs + 32 * pair, 32, codes + 64 * pair);
    if constexpr (kFifthBit) add_bit_planes<4>(in + 16, codes);
    const float d = S::from_half(load_u16(in));
    const float min = S::from_half(load_u16(in + 2));
    const std::uint8_t* packed = in + 4;
    for (int j = 0; j < 8; ++j) {
      const int scale = j < 4 ? packed[j] & 63 : (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
      const int shift = j < 4 ? packed[j + 4] & 63 : (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
      const auto dl = S::set(d * static_cast<float>(scale));
      const auto ml = S::set(min * static_cast<float>(shift));
      convert_run<S>(codes + 32 * j, 32, out + 32 * j, [&](auto q) { return S::sub(S::mul(dl, q), ml); });
    }
  }
};

template <typename S>
struct BlockQ6K {
  static constexpr int kValues = 256;
  static constexpr int kBytes = 210;
  static void convert(const std::uint8_t* in, float* out) {
    alignas(64) std::uint8_t codes[256];
    alignas(64) std::uint8_t high[256];
    spread_two_bits(in + 128, high);
    for (int half = 0; half < 2; ++half) spread_planes<4>(in + 64 * half, 64, codes + 128 * half);
    for (int i = 0; i < 256; i += 16)
      store_bytes(codes + i, load_bytes(codes + i) | (load_bytes(high + i) << 4));
    const float d = S::from_half(load_u16(in + 208));
    const auto middle = S::set(32.0f);
    for (int s = 0; s < 16; ++s) {
      const auto dl = S::set(d * static_cast<float>(static_cast<std::int8_t>(in[192 + s])));
      convert_run<S>(codes + 16 * s, 16, out + 16 * s, [&](auto q) { return S::mul(dl, S::sub(q, middle)); });
    }
  }
};

template <typename Block>
void dequantize_blocks(const WeightRows& w, std::int64_t row, std::int64_t begin, std::int64_t end,
                       float* out) {
  const std::uint8_t* in = w.data + row * w.row_bytes + begin / Block::kValues * Block::kBytes;
  for (std::int64_t c = begin; c < end; c += Block::kValues, in += Block::kBytes, out += Block::kValues) {
    Block::convert(in, out);
  }
}

template <typename S>
void use_dequantize(KernelTable& table) {
  const auto set = [&](WeightFormat format, DequantizeFn fn) {
    table.dequantize[static_cast<int>(format)] = fn;
  };
  set(WeightFormat::kF32, dequantize_f32<S>);
  set(WeightFormat::kF16, dequantize_halves<S, false>);
  set(WeightFormat::kBF16, dequantize_halves<S, true>);
  set(WeightFormat::kQ4_0, dequantize_blocks<SmallBlock<S, false, false>>);
  set(WeightFormat::kQ4_1, dequantize_blocks<SmallBlock<S, false, true>>);
  set(WeightFormat::kQ5_0, dequantize_blocks<SmallBlock<S, true, false>>);
  set(WeightFormat::kQ5_1, dequantize_blocks<SmallBlock<S, true, true>>);
  set(WeightFormat::kQ8_0, dequantize_blocks<BlockQ8<S>>);
  set(WeightFormat::kQ2_K, dequantize_blocks<BlockQ2K<S>>);
  set(WeightFormat::kQ3_K, dequantize_blocks<BlockQ3K<S>>);
  set(WeightFormat::kQ4_K, dequantize_blocks<BlockQ45K<S, false>>);
  set(WeightFormat::kQ5_K, dequantize_blocks<BlockQ45K<S, true>>);
  set(WeightFormat::kQ6_K, dequantize_blocks<BlockQ6K<S>>);
  set(WeightFormat::kGroup2, dequantize_groups<S, 2>);
  set(WeightFormat::kGroup3, dequantize_groups<S, 3>);
  set(WeightFormat::kGroup4, dequantize_groups<S, 4>);
  set(WeightFormat::kGroup8, dequantize_groups<S, 8>);
}

}  // namespace
}  // namespace assay
