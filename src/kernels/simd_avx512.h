// The vector operations that the *_simd.h templates are written in, for AVX-512. Included by *_avx512.cc
// only.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace assay {
namespace {

struct Simd {
  using Float = __m512;
  static constexpr int kLanes = 16;
  // How far ahead of what a product reads from memory to ask for it; a sixth faster than 1024 on a Xeon.
  static constexpr std::int64_t kPrefetchBytes = 4096;
  // 14 x 2 sums, 2 vectors of weights and one value of x: 31 of 32 registers. Per column there are 28
  // multiply-adds to 16 loads, so the multiplier is the limit; and 28 independent sums cover the 4 cycles of
  // a multiply-add.
  static constexpr int kTileRows = 14;
  static constexpr int kTileVectors = 2;

  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static Float set(float v) { return _mm512_set1_ps(v); }
  static Float load(const float* p) { return _mm512_loadu_ps(p); }
  // n < kLanes values, then `fill`.
  static Float load_first(const float* p, int n, float fill) {
    return _mm512_mask_loadu_ps(set(fill), first(n), p);
  }
  static void store(float* p, Float v) { _mm512_storeu_ps(p, v); }
  static void store_first(float* p, int n, Float v) { _mm512_mask_storeu_ps(p, first(n), v); }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float div(Float a, Float b) { return _mm512_div_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }       // a b + c
  static Float neg_fma(Float a, Float b, Float c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a b
  // A NaN in b is the result.
  static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Float abs(Float v) { return _mm512_abs_ps(v); }
  static Float with_sign_of(Float magnitude, Float sign) {
    const __m512 mask = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(mask, magnitude), _mm512_and_ps(mask, sign));
  }
  static Float round(Float v) {
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Float times_power_of_two(Float v, Float n) {
    return _mm512_scalef_ps(v, n);
  }  // n integral, |n| < 256
  static Float if_less(Float a, Float b, Float then, Float otherwise) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), otherwise, then);
  }
  static float from_half(std::uint16_t bits) { return _cvtsh_ss(bits); }
  // kLanes unsigned bytes, IEEE halves, or upper halves of floats.
  static Float from_bytes(const std::uint8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static Float from_halves(const std::uint8_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  // kLanes IEEE halves, to nearest.
  static void to_halves(std::uint16_t* p, Float v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static Float from_brains(const std::uint8_t* p) {
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
  }
  // Byte i of 16 is `value` where bit i is set, 0 elsewhere.
  static __m128i bytes_where(std::uint16_t bits, std::uint8_t value) {
    return _mm_maskz_set1_epi8(bits, static_cast<char>(value));
  }
  static float sum(Float v) { return _mm512_reduce_add_ps(v); }
  static float largest(Float v) { return _mm512_reduce_max_ps(v); }

  // Turns 16 x 16 values: pairs, quadruples, then 128-bit lanes change places.
  static void turn(Float r[16]) {
    Float t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
      r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
      r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
      t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
      t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
      t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
      r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
      r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
      r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
    }
  }
};

}  // namespace
}  // namespace assay
