// The vector operations that the *_simd.h templates are written in, for AVX2 with FMA and F16C. Included by
// *_avx2.cc only.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace assay {
namespace {

struct Simd {
  using Float = __m256;
  static constexpr int kLanes = 8;
  // How far ahead of what a product reads from memory to ask for it.
  static constexpr std::int64_t kPrefetchBytes = 1024;
  // 6 x 2 sums, 2 vectors of weights and one value of x: 15 of 16 registers.
  static constexpr int kTileRows = 6;
  static constexpr int kTileVectors = 2;

  static __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Float set(float v) { return _mm256_set1_ps(v); }
  static Float load(const float* p) { return _mm256_loadu_ps(p); }
  // n < kLanes values, then `fill`.
  static Float load_first(const float* p, int n, float fill) {
    const __m256i mask = first(n);
    return _mm256_blendv_ps(set(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
  }
  static void store(float* p, Float v) { _mm256_storeu_ps(p, v); }
  static void store_first(float* p, int n, Float v) { _mm256_maskstore_ps(p, first(n), v); }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float div(Float a, Float b) { return _mm256_div_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }       // a b + c
  static Float neg_fma(Float a, Float b, Float c) { return _mm256_fnmadd_ps(a, b, c); }  // c - a b
  // A NaN in b is the result.
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float abs(Float v) { return _mm256_andnot_ps(set(-0.0f), v); }
  static Float with_sign_of(Float magnitude, Float sign) {
    const __m256 mask = set(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(mask, magnitude), _mm256_and_ps(mask, sign));
  }
  static Float round(Float v) { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // n integral, |n| < 256; in two factors, so that neither leaves the range of exponents.
  static Float times_power_of_two(Float v, Float n) {
    const __m256i power = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(power, 1);
    const auto factor = [](__m256i e) {
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23));
    };
    return mul(mul(v, factor(half)), factor(_mm256_sub_epi32(power, half)));
  }
  static Float if_less(Float a, Float b, Float then, Float otherwise) {
    return _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static float from_half(std::uint16_t bits) { return _cvtsh_ss(bits); }
  // kLanes unsigned bytes, IEEE halves, or upper halves of floats.
  static Float from_bytes(const std::uint8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static Float from_halves(const std::uint8_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  // kLanes IEEE halves, to nearest.
  static void to_halves(std::uint16_t* p, Float v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static Float from_brains(const std::uint8_t* p) {
    const __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
  }
  // Byte i of 16 is `value` where bit i is set, 0 elsewhere.
  static __m128i bytes_where(std::uint16_t bits, std::uint8_t value) {
    const __m128i spread = _mm_shuffle_epi8(_mm_set1_epi16(static_cast<short>(bits)),
                                            _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
    const __m128i own = _mm_set1_epi64x(static_cast<long long>(0x8040201008040201ull));
    return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(spread, own), own),
                         _mm_set1_epi8(static_cast<char>(value)));
  }
  static float sum(Float v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float largest(Float v) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

  // Turns 8 x 8 values: pairs, quadruples, then 128-bit lanes change places.
  static void turn(Float r[8]) {
    Float t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
      r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
      r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
      t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) r[i] = t[i];
  }
};

}  // namespace
}  // namespace assay
