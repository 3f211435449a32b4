// Products with 8-bit input for ggml's super-blocks of 256. The layouts are in tensor/ggml_blocks.h.
#include "kernels/dot_vnni.h"

namespace assay {
namespace {

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

  __m512i codes(std::int64_t row, std::int64_t pair, std::int64_t) const {
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

  __m512i codes(std::int64_t row, std::int64_t pair, std::int64_t) const {
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

  __m512i codes(std::int64_t row, std::int64_t pair, std::int64_t) const {
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

  __m512i codes(std::int64_t row, std::int64_t pair, std::int64_t) const {
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
