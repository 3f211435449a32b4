// Products with 8-bit input (AVX-512 VNNI) for ggml's super-blocks of 256, whose scales hold for 16 or 32
// columns. The layouts are in tensor/ggml_blocks.h.
//
// Weights are a (q - z) or a q + m with q unsigned; the input is b x with 8-bit x and b common to 32 columns.
// For the columns of one scale
//   sum (a (q - z)) (b x) = (a b) sum q x - (a b z) sum x,
// where sum q x is exact in integers and sum x is known from rounding the input. 64 columns at a time (a pair
// of 32) are spread to bytes in the order of columns; of their product in 16 lanes of 4 columns each, 4 or 8
// lanes share a scale.
#include <immintrin.h>

#include <cstdint>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

inline __m128i load128(const std::uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline __m256i load256(const std::uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

// 32 bytes in both halves, the first shifted right by low bits, the second by high bits.
inline __m512i both_shifted(__m256i bytes, int low, int high) {
  const __m512i shifts = _mm512_set_epi64(high, high, high, high, low, low, low, low);
  return _mm512_srlv_epi64(_mm512_broadcast_i64x4(bytes), shifts);
}

// Of 16 successive scales: a, and what comes with the sum of x: -a z or m.
struct Factors {
  __m512 scale;
  __m512 offset;
};

// b and sum x for the scales [first, first + count), 0 beyond.
template <int kWidth>
struct InputPart;
template <>
struct InputPart<32> {
  __m512 scale, sum;
  InputPart(const VectorInput& x, std::int64_t first, __mmask16 mask)
      : scale(_mm512_maskz_loadu_ps(mask, x.q_scales + first)),
        sum(_mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, x.q_sums + first))) {}
};
template <>
struct InputPart<16> {  // 16 scales are 8 groups of the input; a row has whole super-blocks of them
  __m512 scale, sum;
  InputPart(const VectorInput& x, std::int64_t first, __mmask16 mask)
      : scale(_mm512_permutexvar_ps(_mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0),
                                    _mm512_castps256_ps512(_mm256_loadu_ps(x.q_scales + first / 2)))),
        sum(_mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, x.q_half_sums + first))) {}
};

// Rows has kWidth, codes(row, pair) and factors(row, first), 16 scales from number `first` on, 0
// beyond the row.
template <typename Rows>
float dot_row(const Rows& rows, std::int64_t row, std::int64_t num_pairs, const VectorInput& x) {
  constexpr int kScalesPerPair = 64 / Rows::kWidth;
  constexpr std::int64_t kPairs = 16 / kScalesPerPair;
  const __m512i step = _mm512_set1_epi32(kScalesPerPair);
  const __m512i first_lanes = Rows::kWidth == 32
                                  ? _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
                                  : _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
  __m512 sum = _mm512_setzero_ps();
  __m512 offsets = _mm512_setzero_ps();
  for (std::int64_t pair = 0; pair < num_pairs; pair += kPairs) {
    const std::int64_t count = num_pairs - pair < kPairs ? num_pairs - pair : kPairs;
    const auto mask = static_cast<__mmask16>((1u << (kScalesPerPair * count)) - 1u);
    const InputPart<Rows::kWidth> input(x, kScalesPerPair * pair, mask);
    const Factors factors = rows.factors(row, kScalesPerPair * pair);
    const __m512 scale = _mm512_mul_ps(factors.scale, input.scale);
    offsets = _mm512_fmadd_ps(_mm512_mul_ps(factors.offset, input.scale), input.sum, offsets);
    __m512i lanes = first_lanes;
    for (std::int64_t i = pair; i < pair + count; ++i) {
      const __m512i q = _mm512_loadu_si512(x.q + 64 * i);
      const __m512i product = _mm512_dpbusd_epi32(_mm512_setzero_si512(), rows.codes(row, i), q);
      sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product), _mm512_permutexvar_ps(lanes, scale), sum);
      lanes = _mm512_add_epi32(lanes, step);
    }
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(sum, offsets));
}

template <typename Rows>
void dot_int8(const WeightRows& w, std::int64_t begin, std::int64_t end, const VectorInput& x, float* y) {
  const Rows rows(w);
  const std::int64_t num_pairs = w.cols / 64;
  for (std::int64_t r = begin; r < end; ++r) y[r] = dot_row(rows, r, num_pairs, x);
}

// Where a row's super-blocks lie, four pairs of 32 columns in each.
template <int kBytes>
struct SuperRows {
  explicit SuperRows(const WeightRows& weight) : w(weight) {}
  const std::uint8_t* block(std::int64_t row, std::int64_t index) const {
    return w.data + row * w.row_bytes + index * kBytes;
  }
  const WeightRows& w;
};

inline float half_at(const std::uint8_t* p) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof(bits));
  return _cvtsh_ss(bits);
}

inline __m512 to_floats(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)); }
inline __m512 signed_to_floats(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }

// Adds `value` to the bytes of codes whose field has bit `low` set, in the second half bit low + 1.
inline __m512i add_where(__m512i codes, __m256i fields, int low, int value) {
  const __m512i bits = _mm512_and_si512(both_shifted(fields, low, low + 1), _mm512_set1_epi8(1));
  return _mm512_mask_add_epi8(codes, _mm512_test_epi8_mask(bits, bits), codes,
                              _mm512_set1_epi8(static_cast<char>(value)));
}

template <bool kFifthBit>
struct RowsQ45K : SuperRows<kFifthBit ? 176 : 144> {  // Q4_K, Q5_K
  static constexpr int kWidth = 32;
  using SuperRows<kFifthBit ? 176 : 144>::SuperRows;

  __m512i codes(std::int64_t row, std::int64_t pair) const {
    const std::uint8_t* in = this->block(row, pair / 4);
    const int part = static_cast<int>(pair % 4);
    const __m256i nibbles = load256(in + (kFifthBit ? 48 : 16) + 32 * part);
    const __m512i low = _mm512_and_si512(both_shifted(nibbles, 0, 4), _mm512_set1_epi8(15));
    if constexpr (!kFifthBit) return low;
    return add_where(low, load256(in + 16), 2 * part, 16);
  }

  // 8 scales, then 8 minimums, from their 12 bytes.
  static void unpack(const std::uint8_t* packed, std::uint32_t out[4]) {
    std::uint32_t in[3];
    __builtin_memcpy(in, packed, sizeof(in));
    out[0] = in[0] & 0x3f3f3f3fu;
    out[1] = (in[2] & 0x0f0f0f0fu) | ((in[0] >> 6) & 0x03030303u) << 4;
    out[2] = in[1] & 0x3f3f3f3fu;
    out[3] = ((in[2] >> 4) & 0x0f0f0f0fu) | ((in[1] >> 6) & 0x03030303u) << 4;
  }
  Factors factors(std::int64_t row, std::int64_t first) const {
    std::uint32_t parts[2][4] = {};
    float d[2] = {};
    float min[2] = {};
    for (int i = 0; i < 2 && 32 * (first + 8 * i) < this->w.cols; ++i) {
      const std::uint8_t* in = this->block(row, first / 8 + i);
      unpack(in + 4, parts[i]);
      d[i] = half_at(in);
      min[i] = half_at(in + 2);
    }
    const __m128i one = _mm_loadu_si128(reinterpret_cast<const __m128i*>(parts[0]));
    const __m128i two = _mm_loadu_si128(reinterpret_cast<const __m128i*>(parts[1]));
    const auto per_block = [](const float v[2]) {
      return _mm512_mask_blend_ps(0xff00, _mm512_set1_ps(v[0]), _mm512_set1_ps(v[1]));
    };
    const __m512 scale = _mm512_mul_ps(per_block(d), to_floats(_mm_unpacklo_epi64(one, two)));
    const __m512 offset = _mm512_mul_ps(per_block(min), to_floats(_mm_unpackhi_epi64(one, two)));
    return {scale, _mm512_sub_ps(_mm512_setzero_ps(), offset)};
  }
};

struct RowsQ2K : SuperRows<84> {
  static constexpr int kWidth = 16;
  using SuperRows::SuperRows;

  __m512i codes(std::int64_t row, std::int64_t pair) const {
    const std::uint8_t* in = block(row, pair / 4);
    const int shift = static_cast<int>(pair % 2) * 4;
    return _mm512_and_si512(both_shifted(load256(in + 16 + pair % 4 / 2 * 32), shift, shift + 2),
                            _mm512_set1_epi8(3));
  }
  Factors factors(std::int64_t row, std::int64_t first) const {
    const std::uint8_t* in = block(row, first / 16);
    const __m512i both = _mm512_cvtepu8_epi32(load128(in));
    const __m512 scale = _mm512_cvtepi32_ps(_mm512_and_si512(both, _mm512_set1_epi32(15)));
    const __m512 min = _mm512_cvtepi32_ps(_mm512_srli_epi32(both, 4));
    return {_mm512_mul_ps(scale, _mm512_set1_ps(half_at(in + 80))),
            _mm512_mul_ps(min, _mm512_set1_ps(-half_at(in + 82)))};
  }
};

struct RowsQ3K : SuperRows<110> {
  static constexpr int kWidth = 16;
  using SuperRows::SuperRows;

  __m512i codes(std::int64_t row, std::int64_t pair) const {
    const std::uint8_t* in = block(row, pair / 4);
    const int part = static_cast<int>(pair % 4);
    const int shift = part % 2 * 4;
    const __m256i fields = load256(in + 32 + part / 2 * 32);
    const __m512i low = _mm512_and_si512(both_shifted(fields, shift, shift + 2), _mm512_set1_epi8(3));
    return add_where(low, load256(in), 2 * part, 4);
  }
  Factors factors(std::int64_t row, std::int64_t first) const {
    const std::uint8_t* in = block(row, first / 16);
    std::uint32_t packed[3];
    __builtin_memcpy(packed, in + 96, sizeof(packed));
    const std::uint32_t scales[4] = {
        (packed[0] & 0x0f0f0f0fu) | (packed[2] & 0x03030303u) << 4,
        (packed[1] & 0x0f0f0f0fu) | ((packed[2] >> 2) & 0x03030303u) << 4,
        ((packed[0] >> 4) & 0x0f0f0f0fu) | ((packed[2] >> 4) & 0x03030303u) << 4,
        ((packed[1] >> 4) & 0x0f0f0f0fu) | ((packed[2] >> 6) & 0x03030303u) << 4,
    };
    const __m512 six_bits = to_floats(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scales)));
    const __m512 scale =
        _mm512_mul_ps(_mm512_sub_ps(six_bits, _mm512_set1_ps(32.0f)), _mm512_set1_ps(half_at(in + 108)));
    return {scale, _mm512_mul_ps(scale, _mm512_set1_ps(-4.0f))};
  }
};

struct RowsQ6K : SuperRows<210> {
  static constexpr int kWidth = 16;
  using SuperRows::SuperRows;

  __m512i codes(std::int64_t row, std::int64_t pair) const {
    const std::uint8_t* in = block(row, pair / 4);
    const std::int64_t half = pair % 4 / 2;
    const int shift = static_cast<int>(pair % 2) * 4;
    const __m512i nibbles = _mm512_srlv_epi64(_mm512_loadu_si512(in + 64 * half), _mm512_set1_epi64(shift));
    const __m512i fields = both_shifted(load256(in + 128 + 32 * half), shift, shift + 2);
    const __m512i high = _mm512_and_si512(fields, _mm512_set1_epi8(3));
    return _mm512_or_si512(_mm512_and_si512(nibbles, _mm512_set1_epi8(15)), _mm512_slli_epi16(high, 4));
  }
  Factors factors(std::int64_t row, std::int64_t first) const {
    const std::uint8_t* in = block(row, first / 16);
    const __m512 scale =
        _mm512_mul_ps(signed_to_floats(load128(in + 192)), _mm512_set1_ps(half_at(in + 208)));
    return {scale, _mm512_mul_ps(scale, _mm512_set1_ps(-32.0f))};
  }
};

}  // namespace

void use_super_dots_vnni(KernelTable& table) {
  const auto set = [&](WeightFormat format, DotFn fn) { table.dot_int8[static_cast<int>(format)] = fn; };
  set(WeightFormat::kQ2_K, dot_int8<RowsQ2K>);
  set(WeightFormat::kQ3_K, dot_int8<RowsQ3K>);
  set(WeightFormat::kQ4_K, dot_int8<RowsQ45K<false>>);
  set(WeightFormat::kQ5_K, dot_int8<RowsQ45K<true>>);
  set(WeightFormat::kQ6_K, dot_int8<RowsQ6K>);
}

}  // namespace assay
