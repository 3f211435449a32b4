// Tiles of bfloat16 pairs: a lane holds two neighbouring columns, and one instruction multiplies and adds
// both.
#include "kernels/linear_simd.h"
#include "kernels/simd_avx512.h"

namespace assay {
namespace {

struct BrainPairs : Simd {
  static Float fma(Float a, Float b, Float c) {
    return _mm512_dpbf16_ps(c, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
};

void pair_brains(const float* x, std::int64_t num_pairs, float* out) {
  for (std::int64_t i = 0; i < num_pairs; i += 16) {
    const std::int64_t values = 2 * (num_pairs - i);
    const auto mask = [values](std::int64_t begin) {
      const std::int64_t left = values - begin;
      return left >= 16  ? static_cast<__mmask16>(0xffff)
             : left <= 0 ? __mmask16{0}
                         : Simd::first(static_cast<int>(left));
    };
    const __m512 low = _mm512_maskz_loadu_ps(mask(0), x + 2 * i);
    const __m512 high = _mm512_maskz_loadu_ps(mask(16), x + 2 * i + 16);
    const auto pairs = reinterpret_cast<__m512>(_mm512_cvtne2ps_pbh(high, low));
    const std::int64_t left = num_pairs - i;
    _mm512_mask_storeu_ps(
        out + i, left >= 16 ? static_cast<__mmask16>(0xffff) : Simd::first(static_cast<int>(left)), pairs);
  }
}

}  // namespace

void use_brain_tiles_avx512(KernelTable& table) {
  table.multiply_brain_tile = multiply_tile_simd<BrainPairs>;
  table.pair_brains = pair_brains;
}

}  // namespace assay
