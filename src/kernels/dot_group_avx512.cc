// Matrix-vector products with exact input for the groups of tensor/group_quant.h, where 64 columns share a
// scale. A group has few different weights: they are computed once, as dequantization computes them, and
// looked up by code in a register.
#include "kernels/dot_simd.h"
#include "kernels/simd_avx512.h"

namespace assay {
namespace {

__m128i load128(const std::uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

// The weights of codes i that `codes` lists.
__m512 weights_of(__m512i codes, __m512 scale, __m512 zero) {
  return _mm512_mul_ps(scale, _mm512_sub_ps(_mm512_cvtepi32_ps(codes), zero));
}

// 2 and 3 bits. The low 4 bits of an index hold two fields: one table looks at the lower of them, another at
// the upper.
template <int kBits>
struct Chunk {
  static_assert(kBits == 2 || kBits == 3);
  __m512 lower[kBits - 1], upper[kBits - 1];  // for codes 0..3 and, with 3 bits, 4..7
  Chunk(__m512 scale, __m512 zero) {
    const __m512i fields = _mm512_set_epi32(3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0);
    const __m512i next = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
#pragma GCC unroll 2
    for (int h = 0; h < kBits - 1; ++h) {
      lower[h] = weights_of(_mm512_add_epi32(fields, _mm512_set1_epi32(4 * h)), scale, zero);
      upper[h] = weights_of(_mm512_add_epi32(next, _mm512_set1_epi32(4 * h)), scale, zero);
    }
  }
  void multiply(const std::uint8_t* in, const float* x, __m512 sums[4]) const {
    const __m512i first = _mm512_cvtepu8_epi32(load128(in));
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) {
      const __m512i index = p < 2 ? first : _mm512_srli_epi32(first, 4);
      const __m512* table = p % 2 == 0 ? lower : upper;
      __m512 weights = _mm512_permutexvar_ps(index, table[0]);
      if constexpr (kBits == 3) {
        std::uint16_t high;
        __builtin_memcpy(&high, in + 16 + 2 * p, sizeof(high));
        weights = _mm512_mask_permutexvar_ps(weights, high, index, table[1]);
      }
      sums[p] = _mm512_fmadd_ps(weights, _mm512_loadu_ps(x + 16 * p), sums[p]);
    }
  }
};

template <>
struct Chunk<8> {  // too many codes for a register
  __m512 scale, zero;
  Chunk(__m512 s, __m512 z) : scale(s), zero(z) {}
  void multiply(const std::uint8_t* in, const float* x, __m512 sums[4]) const {
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) {
      const __m512 weights = weights_of(_mm512_cvtepu8_epi32(load128(in + 16 * p)), scale, zero);
      sums[p] = _mm512_fmadd_ps(weights, _mm512_loadu_ps(x + 16 * p), sums[p]);
    }
  }
};

template <>
struct Chunk<4> {
  __m512 table;
  Chunk(__m512 scale, __m512 zero)
      : table(weights_of(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), scale,
                         zero)) {}
  void multiply(const std::uint8_t* in, const float* x, __m512 sums[4]) const {
#pragma GCC unroll 2
    for (int p = 0; p < 2; ++p) {  // a look-up sees the low 4 bits of its index only
      const __m512i both = _mm512_cvtepu8_epi32(load128(in + 16 * p));
      const __m512 low = _mm512_permutexvar_ps(both, table);
      const __m512 high = _mm512_permutexvar_ps(_mm512_srli_epi32(both, 4), table);
      sums[p] = _mm512_fmadd_ps(low, _mm512_loadu_ps(x + 16 * p), sums[p]);
      sums[p + 2] = _mm512_fmadd_ps(high, _mm512_loadu_ps(x + 16 * p + 32), sums[p + 2]);
    }
  }
};

template <int kBits>
float dot_row(const WeightRows& w, std::int64_t row, const VectorInput& x) {
  const std::uint8_t* in = w.data + row * w.row_bytes;
  const std::uint16_t* scales = w.scales + row * w.num_groups;
  const std::uint8_t* zeros = w.zeros + row * w.num_groups;
  __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  std::int64_t c = 0;
  for (std::int64_t g = 0; g < w.num_groups; ++g) {
    const Chunk<kBits> chunk(Simd::set(Simd::from_half(scales[g])), Simd::set(static_cast<float>(zeros[g])));
    const std::int64_t group_end = g + 1 < w.num_groups ? (g + 1) * w.group_size : w.cols;
    for (; c < group_end; c += 64, in += 8 * kBits) chunk.multiply(in, x.x + c, sums);
  }
  return Simd::sum(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

// Beyond the last column codes and x are 0.
template <WeightFormat kFormat, int kBits>
void dot_groups(const WeightRows& w, std::int64_t begin, std::int64_t end, const VectorInput& x, float* y) {
  if (w.group_size % 64 != 0 && w.num_groups > 1) {
    return dot_dequantized<Simd, static_cast<int>(kFormat)>(w, begin, end, x, y);
  }
  for (std::int64_t r = begin; r < end; ++r) y[r] = dot_row<kBits>(w, r, x);
}

}  // namespace

void use_group_dots_avx512(KernelTable& table) {
  const auto set = [&](WeightFormat format, DotFn fn) { table.dot[static_cast<int>(format)] = fn; };
  set(WeightFormat::kGroup2, dot_groups<WeightFormat::kGroup2, 2>);
  set(WeightFormat::kGroup3, dot_groups<WeightFormat::kGroup3, 3>);
  set(WeightFormat::kGroup4, dot_groups<WeightFormat::kGroup4, 4>);
  set(WeightFormat::kGroup8, dot_groups<WeightFormat::kGroup8, 8>);
}

}  // namespace assay
