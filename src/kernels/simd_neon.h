// The vector operations that the *_simd.h templates are written in, for 64-bit ARM. Included by *_neon.cc
// only.
#pragma once
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace assay {
namespace {

struct Simd {
  using Float = float32x4_t;
  static constexpr int kLanes = 4;
  // How far ahead of what a product reads from memory to ask for it.
  static constexpr std::int64_t kPrefetchBytes = 1024;
  // 6 x 4 sums, 4 vectors of weights and one value of x: 29 of 32 registers.
  static constexpr int kTileRows = 6;
  static constexpr int kTileVectors = 4;

  static Float set(float v) { return vdupq_n_f32(v); }
  static Float load(const float* p) { return vld1q_f32(p); }
  // n < kLanes values, then `fill`.
  static Float load_first(const float* p, int n, float fill) {
    float values[kLanes] = {fill, fill, fill, fill};
    for (int i = 0; i < n; ++i) values[i] = p[i];
    return load(values);
  }
  static void store(float* p, Float v) { vst1q_f32(p, v); }
  static void store_first(float* p, int n, Float v) {
    float values[kLanes];
    store(values, v);
    for (int i = 0; i < n; ++i) p[i] = values[i];
  }
  static Float add(Float a, Float b) { return vaddq_f32(a, b); }
  static Float sub(Float a, Float b) { return vsubq_f32(a, b); }
  static Float mul(Float a, Float b) { return vmulq_f32(a, b); }
  static Float div(Float a, Float b) { return vdivq_f32(a, b); }
  static Float fma(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }      // a b + c
  static Float neg_fma(Float a, Float b, Float c) { return vfmsq_f32(c, a, b); }  // c - a b
  // A NaN is the result.
  static Float max(Float a, Float b) { return vmaxq_f32(a, b); }
  static Float min(Float a, Float b) { return vminq_f32(a, b); }
  static Float abs(Float v) { return vabsq_f32(v); }
  static Float with_sign_of(Float magnitude, Float sign) {
    return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
  }
  static Float round(Float v) { return vrndnq_f32(v); }
  // n integral, |n| < 256; in two factors, so that neither leaves the range of exponents.
  static Float times_power_of_two(Float v, Float n) {
    const int32x4_t power = vcvtq_s32_f32(n);
    const int32x4_t half = vshrq_n_s32(power, 1);
    const auto factor = [](int32x4_t e) {
      return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(e, vdupq_n_s32(127)), 23));
    };
    return mul(mul(v, factor(half)), factor(vsubq_s32(power, half)));
  }
  static Float if_less(Float a, Float b, Float then, Float otherwise) {
    return vbslq_f32(vcltq_f32(a, b), then, otherwise);
  }
  static float from_half(std::uint16_t bits) {
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits))), 0);
  }
  // kLanes unsigned bytes, IEEE halves, or upper halves of floats.
  static Float from_bytes(const std::uint8_t* p) {
    std::uint32_t four;
    std::memcpy(&four, p, sizeof(four));
    const uint16x8_t words = vmovl_u8(vcreate_u8(four));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(words)));
  }
  static Float from_halves(const std::uint8_t* p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
  // kLanes IEEE halves, to nearest.
  static void to_halves(std::uint16_t* p, Float v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
  static Float from_brains(const std::uint8_t* p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
  }
  // Byte i of 16 is `value` where bit i is set, 0 elsewhere.
  static uint8x16_t bytes_where(std::uint16_t bits, std::uint8_t value) {
    const uint8x8_t low = vdup_n_u8(static_cast<std::uint8_t>(bits));
    const uint8x16_t spread = vcombine_u8(low, vdup_n_u8(static_cast<std::uint8_t>(bits >> 8)));
    const uint8x16_t own = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201ull));
    return vandq_u8(vtstq_u8(spread, own), vdupq_n_u8(value));
  }
  static float sum(Float v) { return vaddvq_f32(v); }
  static float largest(Float v) { return vmaxvq_f32(v); }

  // Turns 4 x 4 values.
  static void turn(Float r[4]) {
    const float32x4x2_t low = vtrnq_f32(r[0], r[1]);
    const float32x4x2_t high = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0]));
    r[1] = vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1]));
    r[2] = vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0]));
    r[3] = vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1]));
  }
};

}  // namespace
}  // namespace assay
