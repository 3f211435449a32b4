// The grid of one group of one row: value = scale * (code - zero), code in [0, 2^bits - 1].
#pragma once
#include <cstdint>
#include <span>

#include "tensor/float16.h"

namespace assay {

// How the scale is found. kMinMax covers every value. The searches try the shrunken ranges p * [lo, hi],
// p = 1 - i / grid_steps for 0 <= i < max_shrink * grid_steps, and keep the one of least error. kJoint tries scales and zeros
// apart, so that ranges grow or shrink at either end.
enum class ScaleSearch : std::uint8_t {
  kMinMax,
  kMse,       // sum_i |w_i - q_i|^norm, as IST-DASLab/gptq's `mse`
  kWeighted,  // sum_i h_i (w_i - q_i)^2, h = the diagonal of the Hessian
  kJoint,     // the same sum, over pairs of a scale and a zero: up to 9 zeros about that of [lo, hi] (at 2 bits all),
              // with 24 scales from 1.2 down to 0.3 of that of [lo, hi], the best of which is then fitted to its codes
};

// Whether a search needs the diagonal of the Hessian.
inline bool weighs_errors(ScaleSearch search) { return search == ScaleSearch::kWeighted || search == ScaleSearch::kJoint; }

struct GridOptions {
  int bits = 4;       // 2, 3, 4 or 8
  bool sym = true;    // zero = 2^(bits-1)
  int min_zero = 0;   // 1 where the file format stores zero - 1 (GPTQ v1); 0 or 1
  ScaleSearch search = ScaleSearch::kMinMax;
  double norm = 2.4;
  int grid_steps = 100;
  double max_shrink = 0.8;
};

struct QuantGrid {
  Float16 scale;      // positive and finite
  std::uint8_t zero;
};

// sym:  scale = 2 max|w| / (2^bits - 1).
// asym: scale = (max(0, hi) - min(0, lo)) / (2^bits - 1), zero = round(-min(0, lo) / scale) within [min_zero, 2^bits - 1];
//       where min_zero moves the zero, the scale grows so that [lo, hi] stays covered.
// The scale is rounded to float16 first and everything else follows from the rounded one, because a reader of the file has
// nothing else: codes made with the unrounded scale would be up to half a step off at the far end of an 8-bit grid.
// Scales outside of float16 become its largest or smallest positive value; a group of zeros gets scale 1.
// weights: values.size() of them for kWeighted and kJoint (all of them 0 counts as all 1), else ignored.
// REQUIRES: values and weights finite, bits and min_zero as above. Source: IST-DASLab/gptq quant.py.
QuantGrid find_grid(std::span<const float> values, std::span<const float> weights, const GridOptions& options);

// codes[i] = clamp(round(w[i] / scale) + zero), halves to even; NaN gives code 0.
void quantize_values(std::span<const float> values, QuantGrid grid, int bits, std::span<std::uint8_t> codes);

// Halves to even. REQUIRES: |x| < 2^22.
inline float round_to_integer(float x) {
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: the sum has no bits left for a fraction
  return (x + kRounder) - kRounder;
}

// round(value / scale) within [lowest, highest]; NaN gives lowest. REQUIRES: integers below 2^22 as limits.
inline float nearest_step(float value, float scale, float lowest, float highest) {
  float step = value / scale;
  step = step > lowest ? step : lowest;
  step = step < highest ? step : highest;
  return round_to_integer(step);
}

inline float dequantize(std::uint8_t code, float scale, std::uint8_t zero) {
  return scale * static_cast<float>(static_cast<int>(code) - static_cast<int>(zero));
}

}  // namespace assay
