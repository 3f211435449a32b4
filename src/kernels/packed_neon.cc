// Products with packed weights by SMLAL, which every arm64 processor has: products of bytes are added up in
// 16 bits.
//
// Codes of at most 4 bits keep that exact for a whole unit, 8 quads * 15 * 127 < 2^15. Codes of 8 bits are
// taken as two of 4, c = l + 16 h. A vector of 16 bytes is a quad of 4 of the 16 rows.
#include <arm_neon.h>

#include <cstdint>

#include "kernels/packed_kinds.h"

namespace assay {
namespace {

constexpr int kTileRows = 6;  // 6 x 2 sums of integers, 6 of floats, a vector of codes and one of input
constexpr int kQuarters = 4;  // of the rows of a panel

inline int8x16_t input_quad(const std::int8_t* q) {
  std::int32_t quad;
  __builtin_memcpy(&quad, q, sizeof(quad));
  return vreinterpretq_s8_s32(vdupq_n_s32(quad));
}
inline float32x4_t load_halves(const std::uint8_t* p) {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}
inline float32x4_t load_bytes(const std::uint8_t* p) {
  std::uint32_t four;
  __builtin_memcpy(&four, p, sizeof(four));
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
}

// Bits [kShift, kShift + kBits) of every byte.
template <int kShift, int kBits>
inline uint8x16_t field(uint8x16_t bytes) {
  const uint8x16_t mask = vdupq_n_u8((1 << kBits) - 1);
  if constexpr (kShift == 0) {
    return vandq_u8(bytes, mask);
  } else {
    return vandq_u8(vshrq_n_u8(bytes, kShift), mask);
  }
}

// The codes of quads 0 to 7 of a quarter, at which `unit` points; 8 bits: their lower or upper halves.
template <int kBits>
inline void codes_of(const std::uint8_t* unit, int part, uint8x16_t out[8]) {
  if constexpr (kBits == 8) {
    for (int j = 0; j < 8; ++j) {
      const uint8x16_t bytes = vld1q_u8(unit + 64 * j);
      out[j] = part == 0 ? field<0, 4>(bytes) : field<4, 4>(bytes);
    }
  } else if constexpr (kBits == 4) {
    for (int j = 0; j < 4; ++j) {
      const uint8x16_t bytes = vld1q_u8(unit + 64 * j);
      out[j] = field<0, 4>(bytes);
      out[j + 4] = field<4, 4>(bytes);
    }
  } else if constexpr (kBits == 2) {
    for (int j = 0; j < 2; ++j) {
      const uint8x16_t bytes = vld1q_u8(unit + 64 * j);
      out[j] = field<0, 2>(bytes);
      out[j + 2] = field<2, 2>(bytes);
      out[j + 4] = field<4, 2>(bytes);
      out[j + 6] = field<6, 2>(bytes);
    }
  } else {
    const uint8x16_t c = vld1q_u8(unit + 128);
    for (int j = 0; j < 2; ++j) {
      const uint8x16_t bytes = vld1q_u8(unit + 64 * j);
      out[2 * j] = field<0, 3>(bytes);
      out[2 * j + 1] = field<3, 3>(bytes);
      const uint8x16_t third = j == 0 ? field<6, 1>(c) : field<7, 1>(c);
      out[6 + j] = vorrq_u8(field<6, 2>(bytes), vshlq_n_u8(third, 2));
    }
    out[4] = field<0, 3>(c);
    out[5] = field<3, 3>(c);
  }
}

// Sums over quads: neighbours apart, 2 rows in each half.
struct QuadSums {
  int16x8_t low = vdupq_n_s16(0), high = vdupq_n_s16(0);
  void add(uint8x16_t codes, int8x16_t x) {
    const int8x16_t positive = vreinterpretq_s8_u8(codes);
    low = vmlal_s8(low, vget_low_s8(positive), vget_low_s8(x));
    high = vmlal_high_s8(high, positive, x);
  }
  int32x4_t total() const { return vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)); }
};

// The sum over a unit for the rows of a quarter; x: its 8 quads of input.
template <int kBits>
inline int32x4_t sum_unit(const std::uint8_t* unit, const int8x16_t x[8]) {
  uint8x16_t codes[8];
  codes_of<kBits>(unit, 0, codes);
  QuadSums sums;
  for (int j = 0; j < 8; ++j) sums.add(codes[j], x[j]);
  if constexpr (kBits != 8) return sums.total();
  codes_of<kBits>(unit, 1, codes);
  QuadSums upper;
  for (int j = 0; j < 8; ++j) upper.add(codes[j], x[j]);
  return vaddq_s32(sums.total(), vshlq_n_s32(upper.total(), 4));
}

// -scale * zero, or the minimum, of a quarter's rows in group g.
template <int kOffsets>
inline float32x4_t offsets_of(const PackedPanels& w, const std::uint8_t* panel, std::int64_t g, int quarter,
                              float32x4_t scale) {
  const std::int64_t at = 16 * g + 4 * quarter;
  if constexpr (kOffsets == kMinimums) return load_halves(panel + w.offsets_begin + 2 * at);
  const float32x4_t zero =
      kOffsets == kZeros ? load_bytes(panel + w.offsets_begin + at) : vdupq_n_f32(w.zero);
  return vnegq_f32(vmulq_f32(scale, zero));
}

template <int kBits, int kOffsets>
void packed_dot(const PackedPanels& w, std::int64_t begin, std::int64_t end, const RoundedUnit* x, float* y) {
  for (std::int64_t p = begin; p < end; ++p, y += 16) {
    const std::uint8_t* panel = w.panels + p * w.panel_bytes;
    const std::uint8_t* unit = panel + w.codes_begin;
    float32x4_t sums[kQuarters] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    std::int64_t u = 0;
    for (std::int64_t g = 0; u < w.num_units; ++g) {
      const std::int64_t last = u + w.group_units < w.num_units ? u + w.group_units : w.num_units;
      float32x4_t group[kQuarters] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
      float group_sum = 0;
      for (; u < last; ++u, unit += 64 * kBits) {
        int8x16_t quads[8];
        for (int j = 0; j < 8; ++j) quads[j] = input_quad(x[u].q + 4 * j);
        for (int i = 0; i < kQuarters; ++i) {
          const float32x4_t product = vcvtq_f32_s32(sum_unit<kBits>(unit + 16 * i, quads));
          group[i] = vfmaq_n_f32(group[i], product, x[u].scale);
        }
        group_sum += x[u].sum;
      }
      for (int i = 0; i < kQuarters; ++i) {
        const float32x4_t scale = load_halves(panel + 32 * g + 8 * i);
        sums[i] = vfmaq_f32(sums[i], group[i], scale);
        sums[i] = vfmaq_n_f32(sums[i], offsets_of<kOffsets>(w, panel, g, i, scale), group_sum);
      }
    }
    for (int i = 0; i < kQuarters; ++i) vst1q_f32(y + 4 * i, sums[i]);
  }
}

// Codes of 8 bits are spread to two parts of 8 quads.
template <int kBits>
constexpr int kPartsOf = kBits == 8 ? 2 : 1;

template <int kBits, int kOffsets>
void spread(const PackedPanels& w, std::int64_t p, std::int64_t first_unit, std::int64_t num_units,
            const SpreadPanel& out) {
  constexpr int kParts = kPartsOf<kBits>;
  const std::uint8_t* panel = w.panels + p * w.panel_bytes;
  for (std::int64_t n = 0; n < num_units; ++n) {
    const std::uint8_t* unit = panel + w.codes_begin + (first_unit + n) * kBits * 64;
    const std::int64_t g = (first_unit + n) / w.group_units;
    for (int i = 0; i < kQuarters; ++i) {
      for (int part = 0; part < kParts; ++part) {
        uint8x16_t codes[8];
        codes_of<kBits>(unit + 16 * i, part, codes);
        for (int j = 0; j < 8; ++j)
          vst1q_u8(out.codes + (n * kParts + part) * 512 + 64 * j + 16 * i, codes[j]);
      }
      const float32x4_t scale = load_halves(panel + 32 * g + 8 * i);
      vst1q_f32(out.scales + 16 * n + 4 * i, scale);
      vst1q_f32(out.offsets + 16 * n + 4 * i, offsets_of<kOffsets>(w, panel, g, i, scale));
    }
  }
}

// Sums over a part of a unit, at whose quarter `codes` points, of kRows rows.
template <int kRows>
inline void sum_part(const std::uint8_t* codes, const RoundedUnit* x, std::int64_t x_stride,
                     int32x4_t out[kRows]) {
  QuadSums sums[kRows];
  for (int j = 0; j < 8; ++j) {
    const uint8x16_t quad = vld1q_u8(codes + 64 * j);
    for (int t = 0; t < kRows; ++t) sums[t].add(quad, input_quad(x[t * x_stride].q + 4 * j));
  }
  for (int t = 0; t < kRows; ++t) out[t] = sums[t].total();
}

template <int kParts, int kRows>
void multiply_rows(const PackedTile& tile) {
  const SpreadPanel& panel = tile.panels[0];
  for (int i = 0; i < kQuarters; ++i) {
    float32x4_t sums[kRows];
    for (int t = 0; t < kRows; ++t) sums[t] = vld1q_f32(tile.start + t * tile.start_stride + 4 * i);
    for (std::int64_t u = 0; u < tile.num_units; ++u) {
      const std::uint8_t* codes = panel.codes + u * kParts * 512 + 16 * i;
      const RoundedUnit* x = tile.x + u;
      int32x4_t products[kRows];
      sum_part<kRows>(codes, x, tile.x_stride, products);
      if constexpr (kParts == 2) {
        int32x4_t upper[kRows];
        sum_part<kRows>(codes + 512, x, tile.x_stride, upper);
        for (int t = 0; t < kRows; ++t) products[t] = vaddq_s32(products[t], vshlq_n_s32(upper[t], 4));
      }
      const float32x4_t scale = vld1q_f32(panel.scales + 16 * u + 4 * i);
      const float32x4_t offset = vld1q_f32(panel.offsets + 16 * u + 4 * i);
      for (int t = 0; t < kRows; ++t) {
        const RoundedUnit& unit = x[t * tile.x_stride];
        sums[t] = vfmaq_f32(sums[t], vcvtq_f32_s32(products[t]), vmulq_n_f32(scale, unit.scale));
        sums[t] = vfmaq_n_f32(sums[t], offset, unit.sum);
      }
    }
    for (int t = 0; t < kRows; ++t) vst1q_f32(tile.y + t * tile.y_stride + 4 * i, sums[t]);
  }
}

template <int kParts>
void multiply_packed_tile(const PackedTile& tile) {
  static constexpr PackedTileFn kFunctions[] = {multiply_rows<kParts, 1>, multiply_rows<kParts, 2>,
                                                multiply_rows<kParts, 3>, multiply_rows<kParts, 4>,
                                                multiply_rows<kParts, 5>, multiply_rows<kParts, 6>};
  static_assert(sizeof(kFunctions) / sizeof(kFunctions[0]) == kTileRows);
  kFunctions[tile.num_rows - 1](tile);
}

}  // namespace

void use_packed_neon(KernelTable& table) {
  table.packed_tile_rows = kTileRows;
  table.packed_tile_panels = 1;
  for_packed_kinds([&]<int kBits, int kOffsets>() {
    constexpr int kKind = packed_kind(kBits, kOffsets);
    table.packed_dot[kKind] = packed_dot<kBits, kOffsets>;
    table.spread[kKind] = spread<kBits, kOffsets>;
    table.multiply_packed_tile[kKind] = multiply_packed_tile<kPartsOf<kBits>>;
  });
}

}  // namespace assay
