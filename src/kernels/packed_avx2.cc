// Products with packed weights by VPMADDUBSW, which multiplies unsigned codes with signed input and adds
// neighbours to 16 bits.
//
// Codes of at most 4 bits keep that exact for a whole unit: 8 quads * 2 * 15 * 127 < 2^15. Codes of 8 bits
// are taken as two of 4, c = l + 16 h, whose sums meet in 32 bits.
#include <immintrin.h>

#include <cstdint>

#include "kernels/packed_kinds.h"

namespace assay {
namespace {

constexpr int kTileRows = 6;  // 6 x 2 sums, 2 vectors of codes and one of input: 15 of 16 registers
// Ahead of what is read: without it a core waits for memory a quarter of the time.
constexpr int kPrefetchBytes = 1024;

struct Pair {  // of the 16 rows of a panel, in halves
  __m256i low, high;
};
struct FloatPair {
  __m256 low, high;
};

inline Pair load_pair(const std::uint8_t* p) {
  return {_mm256_load_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_load_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
inline __m256i input_quad(const std::int8_t* q) {
  std::int32_t quad;
  __builtin_memcpy(&quad, q, sizeof(quad));
  return _mm256_set1_epi32(quad);
}
inline FloatPair load_halves(const std::uint8_t* p) {
  const auto* halves = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_load_si128(halves)), _mm256_cvtph_ps(_mm_load_si128(halves + 1))};
}
inline FloatPair load_bytes(const std::uint8_t* p) {
  const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
}

// Bits [kShift, kShift + kBits) of every byte.
template <int kShift, int kBits>
inline __m256i field(__m256i bytes) {
  const __m256i mask = _mm256_set1_epi8(static_cast<char>((1 << kBits) - 1));
  if constexpr (kShift == 0) return _mm256_and_si256(bytes, mask);
  return _mm256_and_si256(_mm256_srli_epi16(bytes, kShift), mask);
}

// The codes of quads 0 to 7, of half of the panel's rows; 8 bits: their lower or upper halves.
template <int kBits>
inline void codes_of(const std::uint8_t* unit, int part, __m256i out[8]) {
  const auto vector = [unit](int v) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(unit + 64 * v));
  };
  if constexpr (kBits == 8) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out[j] = part == 0 ? field<0, 4>(vector(j)) : field<4, 4>(vector(j));
  } else if constexpr (kBits == 4) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m256i bytes = vector(j);
      out[j] = field<0, 4>(bytes);
      out[j + 4] = field<4, 4>(bytes);
    }
  } else if constexpr (kBits == 2) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const __m256i bytes = vector(j);
      out[j] = field<0, 2>(bytes);
      out[j + 2] = field<2, 2>(bytes);
      out[j + 4] = field<4, 2>(bytes);
      out[j + 6] = field<6, 2>(bytes);
    }
  } else {
    const __m256i a = vector(0), b = vector(1), c = vector(2);
    out[0] = field<0, 3>(a);
    out[1] = field<3, 3>(a);
    out[2] = field<0, 3>(b);
    out[3] = field<3, 3>(b);
    out[4] = field<0, 3>(c);
    out[5] = field<3, 3>(c);
    const __m256i third = _mm256_set1_epi8(4);
    out[6] = _mm256_or_si256(field<6, 2>(a), _mm256_and_si256(_mm256_srli_epi16(c, 4), third));
    out[7] = _mm256_or_si256(field<6, 2>(b), _mm256_and_si256(_mm256_srli_epi16(c, 5), third));
  }
}

// sum += codes * x, neighbours together. In assembly because g++ 12 otherwise copies the sums of a loop to
// memory and back in every round, which halves the speed.
inline void add_products(__m256i codes, __m256i x, __m256i& sum) {
  __m256i product;
  asm("vpmaddubsw %[x], %[codes], %[product]\n\tvpaddw %[product], %[sum], %[sum]"
      : [sum] "+x"(sum), [product] "=&x"(product)
      : [codes] "x"(codes), [x] "x"(x));
}

// Sums over a unit for the 16 rows, quad by quad, so that few registers are in use: 16-bit sums of neighbours
// at first.
struct QuadSums {
  Pair sum{_mm256_setzero_si256(), _mm256_setzero_si256()};
  void add(__m256i low, __m256i high, __m256i x) {
    add_products(low, x, sum.low);
    add_products(high, x, sum.high);
  }
  // In 32 bits, times `factor` (in every 16 bits).
  Pair total(__m256i factor) const {
    return {_mm256_madd_epi16(sum.low, factor), _mm256_madd_epi16(sum.high, factor)};
  }
};

template <int kShift, int kBits>
inline void add_field(QuadSums& sums, const Pair& bytes, const std::int8_t* quad) {
  sums.add(field<kShift, kBits>(bytes.low), field<kShift, kBits>(bytes.high), input_quad(quad));
}

// The unit's sums in 32 bits. q: its input.
template <int kBits>
inline Pair sum_unit(const std::uint8_t* unit, const std::int8_t* q) {
  const __m256i ones = _mm256_set1_epi16(1);
  QuadSums sums;
  if constexpr (kBits == 8) {
    QuadSums upper;
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const Pair bytes = load_pair(unit + 64 * j);
      add_field<0, 4>(sums, bytes, q + 4 * j);
      add_field<4, 4>(upper, bytes, q + 4 * j);
    }
    const Pair low = sums.total(ones), high = upper.total(_mm256_set1_epi16(16));
    return {_mm256_add_epi32(low.low, high.low), _mm256_add_epi32(low.high, high.high)};
  } else if constexpr (kBits == 4) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Pair bytes = load_pair(unit + 64 * j);
      add_field<0, 4>(sums, bytes, q + 4 * j);
      add_field<4, 4>(sums, bytes, q + 4 * j + 16);
    }
  } else if constexpr (kBits == 2) {
    // Fields that lie two bits higher are not moved down: their sum counts four times.
    const __m256i low = _mm256_set1_epi8(0x03), high = _mm256_set1_epi8(0x0c);
    QuadSums four_times;
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      Pair bytes = load_pair(unit + 64 * j);
#pragma GCC unroll 2
      for (int shift = 0; shift < 2; ++shift) {
        const std::int8_t* quad = q + 4 * j + 16 * shift;
        sums.add(_mm256_and_si256(bytes.low, low), _mm256_and_si256(bytes.high, low), input_quad(quad));
        four_times.add(_mm256_and_si256(bytes.low, high), _mm256_and_si256(bytes.high, high),
                       input_quad(quad + 8));
        bytes = {_mm256_srli_epi16(bytes.low, 4), _mm256_srli_epi16(bytes.high, 4)};
      }
    }
    sums.sum.low = _mm256_add_epi16(sums.sum.low, _mm256_srai_epi16(four_times.sum.low, 2));
    sums.sum.high = _mm256_add_epi16(sums.sum.high, _mm256_srai_epi16(four_times.sum.high, 2));
  } else {
    Pair third = load_pair(unit + 128);
    add_field<0, 3>(sums, third, q + 16);
    add_field<3, 3>(sums, third, q + 20);
    const __m256i mask = _mm256_set1_epi8(4);
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const Pair bytes = load_pair(unit + 64 * j);
      add_field<0, 3>(sums, bytes, q + 8 * j);
      add_field<3, 3>(sums, bytes, q + 8 * j + 4);
      const auto last = [&](__m256i low_bits, __m256i high_bit) {
        return _mm256_or_si256(field<6, 2>(low_bits),
                               _mm256_and_si256(_mm256_srli_epi16(high_bit, 4 + j), mask));
      };
      sums.add(last(bytes.low, third.low), last(bytes.high, third.high), input_quad(q + 24 + 4 * j));
    }
  }
  return sums.total(ones);
}

// -scale * zero, or the minimum, of group g.
template <int kOffsets>
inline FloatPair offsets_of(const PackedPanels& w, const std::uint8_t* panel, std::int64_t g,
                            FloatPair scale) {
  if constexpr (kOffsets == kMinimums) return load_halves(panel + w.offsets_begin + 32 * g);
  FloatPair zero{_mm256_set1_ps(w.zero), _mm256_set1_ps(w.zero)};
  if constexpr (kOffsets == kZeros) zero = load_bytes(panel + w.offsets_begin + 16 * g);
  const __m256 none = _mm256_setzero_ps();
  return {_mm256_fnmadd_ps(scale.low, zero.low, none), _mm256_fnmadd_ps(scale.high, zero.high, none)};
}

template <int kBits, int kOffsets>
void packed_dot(const PackedPanels& w, std::int64_t begin, std::int64_t end, const RoundedUnit* x, float* y) {
  for (std::int64_t p = begin; p < end; ++p, y += 16) {
    const std::uint8_t* panel = w.panels + p * w.panel_bytes;
    const std::uint8_t* unit = panel + w.codes_begin;
    FloatPair sum{_mm256_setzero_ps(), _mm256_setzero_ps()};
    std::int64_t u = 0;
    for (std::int64_t g = 0; u < w.num_units; ++g) {
      const std::int64_t last = u + w.group_units < w.num_units ? u + w.group_units : w.num_units;
      FloatPair group{_mm256_setzero_ps(), _mm256_setzero_ps()};
      float group_sum = 0;
      for (; u < last; ++u, unit += 64 * kBits) {
#pragma GCC unroll 8
        for (int v = 0; v < kBits; ++v)
          _mm_prefetch(reinterpret_cast<const char*>(unit + kPrefetchBytes + 64 * v), _MM_HINT_T0);
        const Pair product = sum_unit<kBits>(unit, x[u].q);
        const __m256 input_scale = _mm256_set1_ps(x[u].scale);
        group.low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(product.low), input_scale, group.low);
        group.high = _mm256_fmadd_ps(_mm256_cvtepi32_ps(product.high), input_scale, group.high);
        group_sum += x[u].sum;
      }
      const FloatPair scale = load_halves(panel + 32 * g);
      const FloatPair offset = offsets_of<kOffsets>(w, panel, g, scale);
      sum.low = _mm256_fmadd_ps(group.low, scale.low, sum.low);
      sum.high = _mm256_fmadd_ps(group.high, scale.high, sum.high);
      sum.low = _mm256_fmadd_ps(offset.low, _mm256_set1_ps(group_sum), sum.low);
      sum.high = _mm256_fmadd_ps(offset.high, _mm256_set1_ps(group_sum), sum.high);
    }
    _mm256_storeu_ps(y, sum.low);
    _mm256_storeu_ps(y + 8, sum.high);
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
  for (std::int64_t i = 0; i < num_units; ++i) {
    const std::uint8_t* unit = panel + w.codes_begin + (first_unit + i) * kBits * 64;
    for (int part = 0; part < kParts; ++part) {
      std::uint8_t* to = out.codes + (i * kParts + part) * 512;
      for (int half = 0; half < 2; ++half) {
        __m256i codes[8];
        codes_of<kBits>(unit + 32 * half, part, codes);
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j)
          _mm256_store_si256(reinterpret_cast<__m256i*>(to + 64 * j + 32 * half), codes[j]);
      }
    }
    const std::int64_t g = (first_unit + i) / w.group_units;
    const FloatPair scale = load_halves(panel + 32 * g);
    const FloatPair offset = offsets_of<kOffsets>(w, panel, g, scale);
    _mm256_store_ps(out.scales + 16 * i, scale.low);
    _mm256_store_ps(out.scales + 16 * i + 8, scale.high);
    _mm256_store_ps(out.offsets + 16 * i, offset.low);
    _mm256_store_ps(out.offsets + 16 * i + 8, offset.high);
  }
}

// The sums over one part of a unit, in pairs of 16 bits. A function of its own, so that nothing else takes
// its registers.
template <int kRows>
[[gnu::noinline]] void sum_part(const std::uint8_t* codes, const RoundedUnit* x, std::int64_t x_stride,
                                Pair sums[kRows]) {
  __m256i low[kRows], high[kRows];
#pragma GCC unroll 6
  for (int t = 0; t < kRows; ++t) low[t] = high[t] = _mm256_setzero_si256();
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j, codes += 64) {
    const Pair pair = load_pair(codes);
#pragma GCC unroll 6
    for (int t = 0; t < kRows; ++t) {
      const __m256i quad = input_quad(x[t * x_stride].q + 4 * j);
      add_products(pair.low, quad, low[t]);
      add_products(pair.high, quad, high[t]);
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < kRows; ++t) sums[t] = {low[t], high[t]};
}

// Adds one part of unit u to the sums of kRows rows. `factor` is what the part's codes count.
template <int kRows>
inline void multiply_part(const PackedTile& tile, std::int64_t u, const std::uint8_t* codes, __m256i factor,
                          FloatPair sums[kRows]) {
  Pair products[kRows];
  sum_part<kRows>(codes, tile.x + u, tile.x_stride, products);
  const __m256 scale_low = _mm256_load_ps(tile.panels[0].scales + 16 * u);
  const __m256 scale_high = _mm256_load_ps(tile.panels[0].scales + 16 * u + 8);
#pragma GCC unroll 6
  for (int t = 0; t < kRows; ++t) {
    const __m256 input_scale = _mm256_set1_ps(tile.x[t * tile.x_stride + u].scale);
    sums[t].low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_madd_epi16(products[t].low, factor)),
                                  _mm256_mul_ps(scale_low, input_scale), sums[t].low);
    sums[t].high = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_madd_epi16(products[t].high, factor)),
                                   _mm256_mul_ps(scale_high, input_scale), sums[t].high);
  }
}

template <int kParts, int kRows>
void multiply_rows(const PackedTile& tile) {
  FloatPair sums[kRows];
#pragma GCC unroll 6
  for (int t = 0; t < kRows; ++t) {
    const float* start = tile.start + t * tile.start_stride;
    sums[t] = {_mm256_loadu_ps(start), _mm256_loadu_ps(start + 8)};
  }
  for (std::int64_t u = 0; u < tile.num_units; ++u) {
    const std::uint8_t* codes = tile.panels[0].codes + u * kParts * 512;
    multiply_part<kRows>(tile, u, codes, _mm256_set1_epi16(1), sums);
    if constexpr (kParts == 2) multiply_part<kRows>(tile, u, codes + 512, _mm256_set1_epi16(16), sums);
    const __m256 offset_low = _mm256_load_ps(tile.panels[0].offsets + 16 * u);
    const __m256 offset_high = _mm256_load_ps(tile.panels[0].offsets + 16 * u + 8);
#pragma GCC unroll 6
    for (int t = 0; t < kRows; ++t) {
      const __m256 sum = _mm256_set1_ps(tile.x[t * tile.x_stride + u].sum);
      sums[t].low = _mm256_fmadd_ps(offset_low, sum, sums[t].low);
      sums[t].high = _mm256_fmadd_ps(offset_high, sum, sums[t].high);
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < kRows; ++t) {
    _mm256_storeu_ps(tile.y + t * tile.y_stride, sums[t].low);
    _mm256_storeu_ps(tile.y + t * tile.y_stride + 8, sums[t].high);
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

// kUnits * 32 values rounded with one scale, operation by operation as the reference does it.
template <int kUnits>
struct RoundedGroup {
  static constexpr int kVectors = 4 * kUnits;
  __m256i words[kVectors];
  float scale;  // NaN where a value is not finite

  explicit RoundedGroup(const float* x) {
    const __m256 sign = _mm256_set1_ps(-0.0f), infinite = _mm256_set1_ps(__builtin_inff());
    __m256 v[kVectors];
    __m256 largest = _mm256_setzero_ps(), finite = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      v[i] = _mm256_loadu_ps(x + 8 * i);
      const __m256 magnitude = _mm256_andnot_ps(sign, v[i]);
      finite = _mm256_and_ps(finite, _mm256_cmp_ps(magnitude, infinite, _CMP_LT_OQ));
      largest = _mm256_max_ps(largest, magnitude);
    }
    const bool usable = _mm256_movemask_ps(finite) == 0xff;
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    const float top = _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
    scale = usable ? top / 127.0f : __builtin_nanf("");
    const __m256 inverse = _mm256_set1_ps(usable && top > 0 ? 127.0f / top : 0.0f);
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i)
      words[i] = usable ? _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse)) : _mm256_setzero_si256();
  }
  // Of 16 values.
  std::int32_t half_sum(int half) const {
    const __m256i both = _mm256_add_epi32(words[2 * half], words[2 * half + 1]);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
  }
  void store(int unit, std::int8_t* q) const {
    const __m256i* w = words + 4 * unit;
    // Packing works within 128 bits; the words come back into order.
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(w[0], w[1]), _mm256_packs_epi32(w[2], w[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q),
                        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  }
};

void round_input(const float* x, std::int64_t cols, const RoundedInput& out) {
  for (std::int64_t g = 0; g < cols / kInt8Group; ++g) {
    const RoundedGroup<1> group(x + 32 * g);
    group.store(0, out.q + 32 * g);
    out.scales[g] = group.scale;
    out.half_sums[2 * g] = group.half_sum(0);
    out.half_sums[2 * g + 1] = group.half_sum(1);
    out.sums[g] = out.half_sums[2 * g] + out.half_sums[2 * g + 1];
  }
}

template <int kUnits>
void round_all(const float* x, std::int64_t num_units, int zero, RoundedUnit* out) {
  for (std::int64_t u = 0; u < num_units; u += kUnits) {
    const RoundedGroup<kUnits> group(x + 32 * u);
    const float scale = without_last_bits(group.scale);
    std::int32_t all = 0;
#pragma GCC unroll 2
    for (int i = 0; i < kUnits; ++i) {
      group.store(i, out[u + i].q);
      const std::int32_t sum = group.half_sum(2 * i) + group.half_sum(2 * i + 1);
      set_factors(scale, sum, out[u + i]);
      all += sum;
    }
    out[u].start -= zero * all;
  }
}

void round_units(const float* x, std::int64_t num_units, UnitRounding rounding, RoundedUnit* out) {
  const auto round = rounding.units_per_scale == 2 ? round_all<2> : round_all<1>;
  round(x, num_units, rounding.zero, out);
}

}  // namespace

void use_packed_avx2(KernelTable& table) {
  table.round_input = round_input;
  table.round_units = round_units;
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
