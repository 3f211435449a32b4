// Products with packed weights by VPDPBUSD (AVX-512 VNNI), which adds four products of unsigned codes and
// signed input to 32 bits: a quad of the 16 rows of a panel at a time.
#include <immintrin.h>

#include <cstdint>

#include "kernels/packed_kinds.h"

namespace assay {
namespace {

// 2 x 7 sums of integers, as many of floats, 2 vectors of codes and one of input: 31 of 32 registers.
constexpr int kTilePanels = 2;
constexpr int kTileRows = 7;
constexpr int kPrefetchBytes = 4096;  // ahead of what is read

inline __m512i load(const std::uint8_t* p) { return _mm512_load_si512(p); }
inline __m512i input_quad(const std::int8_t* q) {
  std::int32_t quad;
  __builtin_memcpy(&quad, q, sizeof(quad));
  return _mm512_set1_epi32(quad);
}
inline __m512 load_halves(const std::uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m512 load_bytes(const std::uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p))));
}

// Bits [kShift, kShift + kBits) of every byte.
template <int kShift, int kBits>
inline __m512i field(__m512i bytes) {
  const __m512i mask = _mm512_set1_epi8(static_cast<char>((1 << kBits) - 1));
  if constexpr (kShift == 0) return _mm512_and_si512(bytes, mask);
  return _mm512_and_si512(_mm512_srli_epi16(bytes, kShift), mask);
}
// The lower two bits of every byte of `low`, with bit 2 of `high`.
inline __m512i join_3_bits(__m512i low, __m512i high) {
  constexpr int kSelect = 0xca;  // where the mask is set the second operand, else the third
  const __m512i either = _mm512_ternarylogic_epi64(_mm512_set1_epi8(3), low, high, kSelect);
  return _mm512_and_si512(either, _mm512_set1_epi8(7));
}

// The codes of quads 0 to 7.
template <int kBits>
inline void codes_of(const std::uint8_t* unit, __m512i out[8]) {
  if constexpr (kBits == 8) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out[j] = load(unit + 64 * j);
  } else if constexpr (kBits == 4) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512i bytes = load(unit + 64 * j);
      out[j] = field<0, 4>(bytes);
      out[j + 4] = field<4, 4>(bytes);
    }
  } else if constexpr (kBits == 2) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const __m512i bytes = load(unit + 64 * j);
      out[j] = field<0, 2>(bytes);
      out[j + 2] = field<2, 2>(bytes);
      out[j + 4] = field<4, 2>(bytes);
      out[j + 6] = field<6, 2>(bytes);
    }
  } else {
    const __m512i a = load(unit), b = load(unit + 64), c = load(unit + 128);
    out[0] = field<0, 3>(a);
    out[1] = field<3, 3>(a);
    out[2] = field<0, 3>(b);
    out[3] = field<3, 3>(b);
    out[4] = field<0, 3>(c);
    out[5] = field<3, 3>(c);
    out[6] = join_3_bits(_mm512_srli_epi16(a, 6), _mm512_srli_epi16(c, 4));
    out[7] = join_3_bits(_mm512_srli_epi16(b, 6), _mm512_srli_epi16(c, 5));
  }
}

// Adds a quad's products, of codes that stand kShift bits up in their bytes, to sums that stand as high.
template <int kShift, int kBits>
inline __m512i add_field(__m512i sum, __m512i bytes, const std::int8_t* q) {
  const __m512i mask = _mm512_set1_epi8(static_cast<char>(((1 << kBits) - 1) << kShift));
  return _mm512_dpbusd_epi32(sum, _mm512_and_si512(bytes, mask), input_quad(q));
}

// The sum over a unit for each row. Fields that need not be moved are left where they are, and their sum is
// moved.
template <int kBits>
inline __m512i sum_unit(const std::uint8_t* unit, const std::int8_t* q) {
  __m512i low = _mm512_setzero_si512(), high = low;
  if constexpr (kBits == 8) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      low = _mm512_dpbusd_epi32(low, load(unit + 64 * j), input_quad(q + 4 * j));
      high = _mm512_dpbusd_epi32(high, load(unit + 64 * (j + 4)), input_quad(q + 4 * (j + 4)));
    }
    return _mm512_add_epi32(low, high);
  } else if constexpr (kBits == 4) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512i bytes = load(unit + 64 * j);
      low = add_field<0, 4>(low, bytes, q + 4 * j);
      high = add_field<4, 4>(high, bytes, q + 4 * (j + 4));
    }
    return _mm512_add_epi32(low, _mm512_srai_epi32(high, 4));
  } else if constexpr (kBits == 2) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const __m512i bytes = load(unit + 64 * j);
      const __m512i rest = _mm512_srli_epi16(bytes, 4);
      low = add_field<0, 2>(low, bytes, q + 4 * j);
      high = add_field<2, 2>(high, bytes, q + 4 * (j + 2));
      low = add_field<0, 2>(low, rest, q + 4 * (j + 4));
      high = add_field<2, 2>(high, rest, q + 4 * (j + 6));
    }
    return _mm512_add_epi32(low, _mm512_srai_epi32(high, 2));
  } else {
    const __m512i vectors[3] = {load(unit), load(unit + 64), load(unit + 128)};
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
      low = add_field<0, 3>(low, vectors[j], q + 8 * j);
      high = add_field<3, 3>(high, vectors[j], q + 8 * j + 4);
    }
    const __m512i sixth = join_3_bits(_mm512_srli_epi16(vectors[0], 6), _mm512_srli_epi16(vectors[2], 4));
    const __m512i seventh = join_3_bits(_mm512_srli_epi16(vectors[1], 6), _mm512_srli_epi16(vectors[2], 5));
    low = _mm512_dpbusd_epi32(low, sixth, input_quad(q + 24));
    low = _mm512_dpbusd_epi32(low, seventh, input_quad(q + 28));
    return _mm512_add_epi32(low, _mm512_srai_epi32(high, 3));
  }
}

// -scale * zero, or the minimum, of group g.
template <int kOffsets>
inline __m512 offsets_of(const PackedPanels& w, const std::uint8_t* panel, std::int64_t g, __m512 scale) {
  if constexpr (kOffsets == kMinimums) return load_halves(panel + w.offsets_begin + 32 * g);
  const __m512 zero =
      kOffsets == kZeros ? load_bytes(panel + w.offsets_begin + 16 * g) : _mm512_set1_ps(w.zero);
  return _mm512_fnmadd_ps(scale, zero, _mm512_setzero_ps());
}

template <int kBits, int kOffsets>
void packed_dot(const PackedPanels& w, std::int64_t begin, std::int64_t end, const RoundedUnit* x, float* y) {
  for (std::int64_t p = begin; p < end; ++p, y += 16) {
    const std::uint8_t* panel = w.panels + p * w.panel_bytes;
    const std::uint8_t* unit = panel + w.codes_begin;
    __m512 sum = _mm512_setzero_ps();
    std::int64_t u = 0;
    for (std::int64_t g = 0; u < w.num_units; ++g) {
      const std::int64_t last = u + w.group_units < w.num_units ? u + w.group_units : w.num_units;
      __m512 group = _mm512_setzero_ps();
      float group_sum = 0;
      for (; u < last; ++u, unit += 64 * kBits) {
#pragma GCC unroll 8
        for (int v = 0; v < kBits; ++v)
          _mm_prefetch(reinterpret_cast<const char*>(unit + kPrefetchBytes + 64 * v), _MM_HINT_T0);
        const __m512 product = _mm512_cvtepi32_ps(sum_unit<kBits>(unit, x[u].q));
        group = _mm512_fmadd_ps(product, _mm512_set1_ps(x[u].scale), group);
        group_sum += x[u].sum;
      }
      const __m512 scale = load_halves(panel + 32 * g);
      sum = _mm512_fmadd_ps(group, scale, sum);
      sum = _mm512_fmadd_ps(offsets_of<kOffsets>(w, panel, g, scale), _mm512_set1_ps(group_sum), sum);
    }
    _mm512_storeu_ps(y, sum);
  }
}

template <int kBits, int kOffsets>
void spread(const PackedPanels& w, std::int64_t p, std::int64_t first_unit, std::int64_t num_units,
            const SpreadPanel& out) {
  const std::uint8_t* panel = w.panels + p * w.panel_bytes;
  for (std::int64_t i = 0; i < num_units; ++i) {
    __m512i codes[8];
    codes_of<kBits>(panel + w.codes_begin + (first_unit + i) * kBits * 64, codes);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) _mm512_store_si512(out.codes + 512 * i + 64 * j, codes[j]);
    const std::int64_t g = (first_unit + i) / w.group_units;
    const __m512 scale = load_halves(panel + 32 * g);
    _mm512_store_ps(out.scales + 16 * i, scale);
    _mm512_store_ps(out.offsets + 16 * i, offsets_of<kOffsets>(w, panel, g, scale));
  }
}

// Sums of integers start at RoundedUnit::start, so each sum s is the float kLargeSum + s without being
// converted, and (kLargeSum + s) * scale - kLargeSum * scale, in one operation, is s * scale rounded once.
// Two units with one scale are summed together: 64 * 255 * 127 < 2^22.
template <int kOffsets, int kPanels, int kRows, int kUnits>
void multiply_rows(const PackedTile& tile) {
  __m512 sums[kRows][kPanels];
#pragma GCC unroll 7
  for (int t = 0; t < kRows; ++t) {
    const float* start = tile.start + t * tile.start_stride;
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) sums[t][p] = _mm512_loadu_ps(start + 16 * p);
  }
  for (std::int64_t u = 0; u < tile.num_units; u += kUnits) {
    const RoundedUnit* const x = tile.x + u;
    __m512i products[kRows][kPanels];
#pragma GCC unroll 7
    for (int t = 0; t < kRows; ++t) {
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) products[t][p] = _mm512_set1_epi32(x[t * tile.x_stride].start);
    }
#pragma GCC unroll 16
    for (int j = 0; j < 8 * kUnits; ++j) {
      __m512i codes[kPanels];
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) codes[p] = load(tile.panels[p].codes + 512 * u + 64 * j);
#pragma GCC unroll 7
      for (int t = 0; t < kRows; ++t) {
        const __m512i quad = input_quad(x[t * tile.x_stride + j / 8].q + 4 * (j % 8));
#pragma GCC unroll 2
        for (int p = 0; p < kPanels; ++p)
          products[t][p] = _mm512_dpbusd_epi32(products[t][p], codes[p], quad);
      }
    }
#pragma GCC unroll 7
    for (int t = 0; t < kRows; ++t) {
      const RoundedUnit* const unit = x + t * tile.x_stride;
      const __m512 scale = _mm512_set1_ps(unit->scale), shift = _mm512_set1_ps(unit->shift);
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) {
        const SpreadPanel& panel = tile.panels[p];
        const __m512 product = _mm512_fmadd_ps(_mm512_castsi512_ps(products[t][p]), scale, shift);
        sums[t][p] = _mm512_fmadd_ps(product, _mm512_load_ps(panel.scales + 16 * u), sums[t][p]);
        if constexpr (kOffsets != kOneZero) {
          const __m512 sum = _mm512_set1_ps(kUnits == 2 ? unit[0].sum + unit[1].sum : unit->sum);
          sums[t][p] = _mm512_fmadd_ps(_mm512_load_ps(panel.offsets + 16 * u), sum, sums[t][p]);
        }
      }
    }
  }
#pragma GCC unroll 7
  for (int t = 0; t < kRows; ++t) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) _mm512_storeu_ps(tile.y + t * tile.y_stride + 16 * p, sums[t][p]);
  }
}

template <int kOffsets, int kPanels, int kUnits>
void multiply_panels(const PackedTile& tile) {
  static constexpr PackedTileFn kFunctions[] = {
      multiply_rows<kOffsets, kPanels, 1, kUnits>, multiply_rows<kOffsets, kPanels, 2, kUnits>,
      multiply_rows<kOffsets, kPanels, 3, kUnits>, multiply_rows<kOffsets, kPanels, 4, kUnits>,
      multiply_rows<kOffsets, kPanels, 5, kUnits>, multiply_rows<kOffsets, kPanels, 6, kUnits>,
      multiply_rows<kOffsets, kPanels, 7, kUnits>};
  static_assert(sizeof(kFunctions) / sizeof(kFunctions[0]) == kTileRows);
  kFunctions[tile.num_rows - 1](tile);
}

template <int kOffsets>
void multiply_packed_tile(const PackedTile& tile) {
  static_assert(kTilePanels == 2 && kTilePanels <= kMostTilePanels);
  static constexpr PackedTileFn kFunctions[2][2] = {
      {multiply_panels<kOffsets, 1, 1>, multiply_panels<kOffsets, 2, 1>},
      {multiply_panels<kOffsets, 1, 2>, multiply_panels<kOffsets, 2, 2>}};
  kFunctions[tile.units_per_scale - 1][tile.num_panels - 1](tile);
}

// As the reference does it, operation by operation.
template <int kUnits>
inline void round_scale(const float* x, int zero, RoundedUnit* out) {
  constexpr int kVectors = 2 * kUnits;
  __m512 v[kVectors];
  __m512 largest = _mm512_setzero_ps();
  __mmask16 finite = 0xffff;
#pragma GCC unroll 4
  for (int i = 0; i < kVectors; ++i) {
    v[i] = _mm512_loadu_ps(x + 16 * i);
    const __m512 magnitude = _mm512_abs_ps(v[i]);
    finite = _mm512_mask_cmp_ps_mask(finite, magnitude, _mm512_set1_ps(__builtin_inff()), _CMP_LT_OQ);
    largest = _mm512_max_ps(largest, magnitude);
  }
  const bool usable = finite == 0xffff;
  const float top = _mm512_reduce_max_ps(largest);
  const float scale = usable ? without_last_bits(top / 127.0f) : __builtin_nanf("");
  const __m512 inverse = _mm512_set1_ps(usable && top > 0 ? 127.0f / top : 0.0f);
  std::int32_t all = 0;
#pragma GCC unroll 2
  for (int u = 0; u < kUnits; ++u) {
    __m512i words[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      words[i] = usable ? _mm512_cvtps_epi32(_mm512_mul_ps(v[2 * u + i], inverse)) : _mm512_setzero_si512();
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out[u].q + 16 * i), _mm512_cvtepi32_epi8(words[i]));
    }
    const std::int32_t sum = _mm512_reduce_add_epi32(_mm512_add_epi32(words[0], words[1]));
    set_factors(scale, sum, out[u]);
    all += sum;
  }
  out[0].start -= zero * all;
}

void round_units(const float* x, std::int64_t num_units, UnitRounding rounding, RoundedUnit* out) {
  if (rounding.units_per_scale == 2) {
    for (std::int64_t u = 0; u < num_units; u += 2) round_scale<2>(x + 32 * u, rounding.zero, out + u);
  } else {
    for (std::int64_t u = 0; u < num_units; ++u) round_scale<1>(x + 32 * u, rounding.zero, out + u);
  }
}

}  // namespace

void use_packed_vnni(KernelTable& table) {
  table.round_units = round_units;
  table.packed_tile_rows = kTileRows;
  table.packed_tile_panels = kTilePanels;
  for_packed_kinds([&]<int kBits, int kOffsets>() {
    constexpr int kKind = packed_kind(kBits, kOffsets);
    table.packed_dot[kKind] = packed_dot<kBits, kOffsets>;
    table.spread[kKind] = spread<kBits, kOffsets>;
    table.multiply_packed_tile[kKind] = multiply_packed_tile<kOffsets>;
  });
}

}  // namespace assay
