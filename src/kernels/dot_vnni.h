// Matrix-vector products with 8-bit input (AVX-512 VNNI), for packed weights whose scale holds for 16 or 32
// columns.
//
// Weights are a (q - z) or a q + m with q unsigned; the input is b x with 8-bit x and b common to 32 columns.
// For the columns of one scale
//   sum (a (q - z)) (b x) = (a b) sum q x - (a b z) sum x,
// where sum q x is exact in integers and sum x is known from rounding the input. 64 columns at a time (a pair
// of 32) are spread to bytes in the order of columns; of their product in 16 lanes of 4 columns each, 4 or 8
// lanes share a scale. Included by dot_vnni*.cc only; all is private to the includer.
#pragma once
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

// Rows has kWidth, codes(row, pair, num_pairs) and factors(row, first), 16 scales from number `first` on, 0
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
      const __m512i product = _mm512_dpbusd_epi32(_mm512_setzero_si512(), rows.codes(row, i, num_pairs), q);
      sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product), _mm512_permutexvar_ps(lanes, scale), sum);
      lanes = _mm512_add_epi32(lanes, step);
    }
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(sum, offsets));
}

template <typename Rows>
void dot_int8(const WeightRows& w, std::int64_t begin, std::int64_t end, const VectorInput& x, float* y) {
  const Rows rows(w);
  const std::int64_t num_pairs = (w.cols + 63) / 64;
  for (std::int64_t r = begin; r < end; ++r) y[r] = dot_row(rows, r, num_pairs, x);
}

}  // namespace
}  // namespace assay
