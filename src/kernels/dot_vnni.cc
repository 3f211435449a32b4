// Products with 8-bit input for the groups of tensor/group_quant.h and ggml's blocks of 32.
#include "kernels/dot_vnni.h"

namespace assay {
namespace {

std::uint16_t load16(const std::uint8_t* p) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof(bits));
  return bits;
}

// Groups of tensor/group_quant.h.
template <int kBits>
struct GroupRows {
  static constexpr int kWidth = 32;
  static constexpr std::int64_t kChunkBytes = 8 * kBits;

  explicit GroupRows(const WeightRows& weight) : w(weight) {
    for (int i = 0; i < 16; ++i) lane_group[i] = static_cast<int>(i * 32 / w.group_size);
    whole_groups = w.group_size >= 512 ? w.group_size % 512 == 0 : 512 % w.group_size == 0;
  }

  __m512i codes(std::int64_t row, std::int64_t pair, std::int64_t) const {
    const std::uint8_t* chunk = w.data + row * w.row_bytes + pair * kChunkBytes;
    if constexpr (kBits == 8) return _mm512_loadu_si512(chunk);
    if constexpr (kBits == 4)
      return _mm512_and_si512(both_shifted(load256(chunk), 0, 4), _mm512_set1_epi8(15));
    const __m512i shifts = _mm512_set_epi64(6, 6, 4, 4, 2, 2, 0, 0);
    const __m512i fields = _mm512_srlv_epi64(_mm512_broadcast_i32x4(load128(chunk)), shifts);
    const __m512i low = _mm512_and_si512(fields, _mm512_set1_epi8(3));
    if constexpr (kBits == 2) return low;
    std::uint64_t high;
    __builtin_memcpy(&high, chunk + 16, sizeof(high));
    return _mm512_mask_add_epi8(low, high, low, _mm512_set1_epi8(4));
  }

  // Nothing beyond the row's groups is read, and 0 stands there.
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
      const __m512i zero_codes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, zeros + first));
      zero = _mm512_permutexvar_ps(lanes, _mm512_cvtepi32_ps(zero_codes));
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

// ggml's blocks of 32. kBits 8: Q8_0, whose codes are signed: 128 is added to them and taken off as a zero
// point.
template <int kBits, bool kMinimum>
struct BlockRows {
  static constexpr int kWidth = 32;
  static constexpr std::int64_t kHead = 2 + (kMinimum ? 2 : 0) + (kBits == 5 ? 4 : 0);
  static constexpr std::int64_t kBlockBytes = kHead + (kBits == 8 ? 32 : 16);
  static constexpr float kZero = kBits == 8 ? 128.0f : kBits == 5 ? 16.0f : 8.0f;

  explicit BlockRows(const WeightRows& weight) : w(weight) {}

  static __m256i nibbles(const std::uint8_t* p) {
    const __m256i shifts = _mm256_set_epi64x(4, 4, 0, 0);
    return _mm256_and_si256(_mm256_srlv_epi64(_mm256_broadcastsi128_si256(load128(p)), shifts),
                            _mm256_set1_epi8(15));
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
  __m512i codes(std::int64_t row, std::int64_t pair, std::int64_t num_pairs) const {
    const std::uint8_t* in = w.data + row * w.row_bytes + pair * 2 * kBlockBytes;
    const bool both = pair + 1 < num_pairs || w.cols % 64 == 0;
    if (!both) return _mm512_zextsi256_si512(block(in));
    return _mm512_inserti64x4(_mm512_castsi256_si512(block(in)), block(in + kBlockBytes), 1);
  }

  // The halves at byte kAt of 16 blocks. Put together in a register: a load would wait for 16 stores.
  template <int kAt>
  static __m512 halves(const std::uint8_t* in) {
    const auto half = [in](int i) { return static_cast<short>(load16(in + i * kBlockBytes + kAt)); };
    return _mm512_cvtph_ps(_mm256_setr_epi16(half(0), half(1), half(2), half(3), half(4), half(5), half(6),
                                             half(7), half(8), half(9), half(10), half(11), half(12),
                                             half(13), half(14), half(15)));
  }
  // Of the first `count` blocks alone, in a row that is shorter than 16 blocks.
  template <int kAt>
  static __m512 some_halves(const std::uint8_t* in, std::int64_t count) {
    std::uint16_t some[16] = {};
    for (std::int64_t i = 0; i < count; ++i) some[i] = load16(in + i * kBlockBytes + kAt);
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(some)));
  }
  // 0 beyond the row. Where fewer than 16 blocks are left, the last 16 of the row are read and moved down.
  template <int kAt>
  __m512 halves_from(std::int64_t row, std::int64_t j) const {
    const std::int64_t blocks = w.cols / 32;
    const std::int64_t left = blocks - j;
    const std::uint8_t* in = w.data + row * w.row_bytes + j * kBlockBytes;
    if (left >= 16) return halves<kAt>(in);
    if (left == 2) {  // rows of 576 columns, among others
      const auto second = load16(in + kBlockBytes + kAt);
      return _mm512_cvtph_ps(
          _mm256_zextsi128_si256(_mm_insert_epi16(_mm_cvtsi32_si128(load16(in + kAt)), second, 1)));
    }
    if (blocks < 16) return some_halves<kAt>(in, left);
    const int missing = static_cast<int>(16 - left);
    const __m512i lanes = _mm512_add_epi32(
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi32(missing));
    return _mm512_maskz_permutexvar_ps(static_cast<__mmask16>(0xffffu >> missing), lanes,
                                       halves<kAt>(in - missing * kBlockBytes));
  }
  Factors factors(std::int64_t row, std::int64_t j) const {
    const __m512 scale = halves_from<0>(row, j);
    if (kMinimum) return {scale, halves_from<2>(row, j)};
    return {scale, _mm512_mul_ps(scale, _mm512_set1_ps(-kZero))};
  }

  const WeightRows& w;
};

// As the reference does it, operation by operation.
void round_input(const float* x, std::int64_t cols, const RoundedInput& out) {
  for (std::int64_t g = 0; g < cols / kInt8Group; ++g) {
    const __m512 low = _mm512_loadu_ps(x + 32 * g);
    const __m512 high = _mm512_loadu_ps(x + 32 * g + 16);
    const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
    const __m512 infinite = _mm512_set1_ps(__builtin_inff());
    const auto finite = static_cast<__mmask16>(_mm512_cmp_ps_mask(_mm512_abs_ps(low), infinite, _CMP_LT_OQ) &
                                               _mm512_cmp_ps_mask(_mm512_abs_ps(high), infinite, _CMP_LT_OQ));
    const bool usable = finite == 0xffff;
    out.scales[g] = usable ? largest / 127.0f : __builtin_nanf("");
    const __m512 inverse = _mm512_set1_ps(usable && largest > 0 ? 127.0f / largest : 0.0f);
    const __mmask16 keep = usable ? 0xffff : 0;
    const __m512i q_low = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(low, inverse));
    const __m512i q_high = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(high, inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out.q + 32 * g), _mm512_cvtsepi32_epi8(q_low));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out.q + 32 * g + 16), _mm512_cvtsepi32_epi8(q_high));
    out.half_sums[2 * g] = _mm512_reduce_add_epi32(q_low);
    out.half_sums[2 * g + 1] = _mm512_reduce_add_epi32(q_high);
    out.sums[g] = out.half_sums[2 * g] + out.half_sums[2 * g + 1];
  }
}

}  // namespace

void use_dots_vnni(KernelTable& table) {
  table.round_input = round_input;
  const auto set = [&](WeightFormat format, DotFn fn) { table.dot_int8[static_cast<int>(format)] = fn; };
  set(WeightFormat::kQ4_0, dot_int8<BlockRows<4, false>>);
  set(WeightFormat::kQ4_1, dot_int8<BlockRows<4, true>>);
  set(WeightFormat::kQ5_0, dot_int8<BlockRows<5, false>>);
  set(WeightFormat::kQ5_1, dot_int8<BlockRows<5, true>>);
  set(WeightFormat::kQ8_0, dot_int8<BlockRows<8, false>>);
  set(WeightFormat::kGroup2, dot_int8<GroupRows<2>>);
  set(WeightFormat::kGroup3, dot_int8<GroupRows<3>>);
  set(WeightFormat::kGroup4, dot_int8<GroupRows<4>>);
  set(WeightFormat::kGroup8, dot_int8<GroupRows<8>>);
}

}  // namespace assay
