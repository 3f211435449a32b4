// Matrix-vector products with 8-bit input (AVX-512 VNNI), for packed weights whose scale holds for 32 columns at least.
//
// Weights are a (q - z) with q unsigned, or a q + m; the input is b x with 8-bit x. For each 32 columns
//   sum (a (q - z)) (b x) = (a b) sum q x - (a b z) sum x,
// where sum q x is exact in integers and sum x is known from rounding the input. 64 columns at a time are spread to bytes in
// the order of columns, so that the low 8 lanes of a product belong to the first 32 columns and the high 8 to the second.
#include <immintrin.h>

#include <cstdint>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr int kPairsPerBlock = 8;  // 16 factors fill a vector: 512 columns

__m128i load128(const std::uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
__m256i load256(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

// What the 32 columns at j are multiplied with, for 16 successive j: a, and what comes with the sum of x: -a z or m.
struct Factors {
  __m512 scale;
  __m512 offset;
};

// Groups of tensor/group_quant.h.
template <int kBits>
struct GroupRows {
  static constexpr std::int64_t kChunkBytes = 8 * kBits;

  explicit GroupRows(const WeightRows& weight) : w(weight) {
    for (int i = 0; i < 16; ++i) lane_group[i] = static_cast<int>(i * 32 / w.group_size);
    whole_groups = w.group_size >= 512 ? w.group_size % 512 == 0 : 512 % w.group_size == 0;
  }

  static __m512i codes(const std::uint8_t* chunk) {
    if constexpr (kBits == 8) return _mm512_loadu_si512(chunk);
    if constexpr (kBits == 4) {
      const __m512i shifts = _mm512_set_epi64(4, 4, 4, 4, 0, 0, 0, 0);
      return _mm512_and_si512(_mm512_srlv_epi64(_mm512_broadcast_i64x4(load256(chunk)), shifts), _mm512_set1_epi8(15));
    }
    const __m512i shifts = _mm512_set_epi64(6, 6, 4, 4, 2, 2, 0, 0);
    const __m512i low = _mm512_and_si512(_mm512_srlv_epi64(_mm512_broadcast_i32x4(load128(chunk)), shifts), _mm512_set1_epi8(3));
    if constexpr (kBits == 2) return low;
    std::uint64_t high;
    __builtin_memcpy(&high, chunk + 16, sizeof(high));
    return _mm512_mask_add_epi8(low, high, low, _mm512_set1_epi8(4));
  }
  const std::uint8_t* chunk(std::int64_t row, std::int64_t pair) const {
    return w.data + row * w.row_bytes + pair * kChunkBytes;
  }

  // Of columns 32 j .. 32 (j + 16); nothing beyond the row's groups is read, and 0 stands there.
  Factors factors(std::int64_t row, std::int64_t j) const {
    const std::uint16_t* scales = w.scales + row * w.num_groups;
    const std::uint8_t* zeros = w.zeros + row * w.num_groups;
    __m512 scale, zero;
    if (whole_groups) {
      const std::int64_t first = 32 * j / w.group_size;
      const std::int64_t left = w.num_groups - first;
      const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffffu : (1u << left) - 1u);
      const __m512i lanes = _mm512_loadu_si512(lane_group);
      scale = _mm512_permutexvar_ps(lanes, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, scales + first)));
      zero = _mm512_permutexvar_ps(lanes, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, zeros + first))));
    } else {
      float scale_of[16] = {};
      float zero_of[16] = {};
      for (int i = 0; i < 16 && 32 * (j + i) < w.cols; ++i) {
        const std::int64_t group = 32 * (j + i) / w.group_size;
        scale_of[i] = _cvtsh_ss(scales[group]);
        zero_of[i] = zeros[group];
      }
      scale = _mm512_loadu_ps(scale_of);
      zero = _mm512_loadu_ps(zero_of);
    }
    return {scale, _mm512_fnmadd_ps(scale, zero, _mm512_setzero_ps())};
  }

  const WeightRows& w;
  int lane_group[16];
  bool whole_groups;
};

// ggml's blocks of 32. kBits 8: Q8_0, whose codes are signed: 128 is added to them and taken off as a zero point.
template <int kBits, bool kMinimum>
struct BlockRows {
  static constexpr std::int64_t kHead = 2 + (kMinimum ? 2 : 0) + (kBits == 5 ? 4 : 0);
  static constexpr std::int64_t kBlockBytes = kHead + (kBits == 8 ? 32 : 16);
  static constexpr float kZero = kBits == 8 ? 128.0f : kBits == 5 ? 16.0f : 8.0f;

  explicit BlockRows(const WeightRows& weight) : w(weight) {}

  static __m256i nibbles(const std::uint8_t* p) {
    const __m256i shifts = _mm256_set_epi64x(4, 4, 0, 0);
    return _mm256_and_si256(_mm256_srlv_epi64(_mm256_broadcastsi128_si256(load128(p)), shifts), _mm256_set1_epi8(15));
  }
  static __m256i block(const std::uint8_t* in) {
    if constexpr (kBits == 8) {
      return _mm256_xor_si256(load256(in + kHead), _mm256_set1_epi8(static_cast<char>(0x80)));
    }
    const __m256i low = nibbles(in + kHead);
    if constexpr (kBits == 4) return low;
    std::uint32_t high;
    __builtin_memcpy(&high, in + kHead - 4, sizeof(high));
    return _mm256_mask_add_epi8(low, high, low, _mm256_set1_epi8(16));
  }
  // An odd number of blocks ends with half a pair.
  __m512i codes(const std::uint8_t* pair, bool both) const {
    const __m512i first = _mm512_castsi256_si512(block(pair));
    return both ? _mm512_inserti64x4(first, block(pair + kBlockBytes), 1) : _mm512_zextsi256_si512(block(pair));
  }
  const std::uint8_t* chunk(std::int64_t row, std::int64_t pair) const {
    return w.data + row * w.row_bytes + pair * 2 * kBlockBytes;
  }

  Factors factors(std::int64_t row, std::int64_t j) const {
    const std::uint8_t* in = w.data + row * w.row_bytes + j * kBlockBytes;
    const std::int64_t left = w.cols / 32 - j;
    const int count = static_cast<int>(left < 16 ? left : 16);
    std::uint16_t scale_of[16] = {};
    std::uint16_t minimum_of[16] = {};
    for (int i = 0; i < count; ++i) {
      __builtin_memcpy(scale_of + i, in + i * kBlockBytes, 2);
      if (kMinimum) __builtin_memcpy(minimum_of + i, in + i * kBlockBytes + 2, 2);
    }
    const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scale_of)));
    if (kMinimum) return {scale, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(minimum_of)))};
    return {scale, _mm512_mul_ps(scale, _mm512_set1_ps(-kZero))};
  }

  const WeightRows& w;
};

template <int kBits>
__m512i pair_codes(const GroupRows<kBits>& rows, std::int64_t row, std::int64_t pair, std::int64_t) {
  return rows.codes(rows.chunk(row, pair));
}
template <int kBits, bool kMinimum>
__m512i pair_codes(const BlockRows<kBits, kMinimum>& rows, std::int64_t row, std::int64_t pair, std::int64_t num_pairs) {
  return rows.codes(rows.chunk(row, pair), pair + 1 < num_pairs || rows.w.cols % 64 == 0);
}

template <typename Rows>
float dot_row(const Rows& rows, std::int64_t row, std::int64_t num_pairs, const VectorInput& x) {
  const __m512i step = _mm512_set1_epi32(2);
  const __m512i first_lanes = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  __m512 sum = _mm512_setzero_ps();
  __m512 offsets = _mm512_setzero_ps();
  for (std::int64_t pair = 0; pair < num_pairs; pair += kPairsPerBlock) {
    const std::int64_t count = num_pairs - pair < kPairsPerBlock ? num_pairs - pair : kPairsPerBlock;
    const auto mask = static_cast<__mmask16>((1u << (2 * count)) - 1u);
    const __m512 input_scale = _mm512_maskz_loadu_ps(mask, x.q_scales + 2 * pair);
    const __m512 input_sum = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, x.q_sums + 2 * pair));
    const Factors factors = rows.factors(row, 2 * pair);
    const __m512 scale = _mm512_mul_ps(factors.scale, input_scale);
    offsets = _mm512_fmadd_ps(_mm512_mul_ps(factors.offset, input_scale), input_sum, offsets);
    __m512i lanes = first_lanes;
    for (std::int64_t i = pair; i < pair + count; ++i) {
      const __m512i q = _mm512_loadu_si512(x.q + 64 * i);
      const __m512i product = _mm512_dpbusd_epi32(_mm512_setzero_si512(), pair_codes(rows, row, i, num_pairs), q);
      sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product), _mm512_permutexvar_ps(lanes, scale), sum);
      lanes = _mm512_add_epi32(lanes, step);
    }
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(sum, offsets));
}

template <typename Rows>
void dot(const WeightRows& w, std::int64_t begin, std::int64_t end, const VectorInput& x, float* y) {
  const Rows rows(w);
  const std::int64_t num_pairs = (w.cols + 63) / 64;
  for (std::int64_t r = begin; r < end; ++r) y[r] = dot_row(rows, r, num_pairs, x);
}

}  // namespace

void use_dots_vnni(KernelTable& table) {
  const auto set = [&](WeightFormat format, DotFn fn) { table.dot_int8[static_cast<int>(format)] = fn; };
  set(WeightFormat::kQ4_0, dot<BlockRows<4, false>>);
  set(WeightFormat::kQ4_1, dot<BlockRows<4, true>>);
  set(WeightFormat::kQ5_0, dot<BlockRows<5, false>>);
  set(WeightFormat::kQ5_1, dot<BlockRows<5, true>>);
  set(WeightFormat::kQ8_0, dot<BlockRows<8, false>>);
  set(WeightFormat::kGroup2, dot<GroupRows<2>>);
  set(WeightFormat::kGroup3, dot<GroupRows<3>>);
  set(WeightFormat::kGroup4, dot<GroupRows<4>>);
  set(WeightFormat::kGroup8, dot<GroupRows<8>>);
}

}  // namespace assay
