// Tiles and blocks of bfloat16 pairs: a lane holds two neighbouring columns, and one instruction multiplies
// and adds both.
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

// The 32 columns of eight rows at a time: sums in 16 registers.
void multiply_brain_block(const BrainBlock& block) {
  constexpr int kRows = 8;
  constexpr std::int64_t kStepValues = kBrainPanel * kBrainStep;
  for (int first = 0; first < kBrainBlock; first += kRows) {
    float* out = block.out + first * block.out_stride;
    __m512 sums[kRows][2];
    for (int i = 0; i < kRows; ++i) {
      for (int half = 0; half < 2; ++half)
        sums[i][half] = block.onto ? _mm512_loadu_ps(out + i * block.out_stride + half * kBrainPanel)
                                   : _mm512_setzero_ps();
    }
    for (int t = 0; t < block.num_terms; ++t) {
      const BrainTerm& term = block.terms[t];
      const std::uint16_t* left = term.left[first / kBrainPanel] + first % kBrainPanel * kBrainStep;
      for (std::int64_t at = 0; at < block.num_steps * kStepValues; at += kStepValues) {
        for (int pair = 0; pair < kBrainStep / 2; ++pair) {
          const std::int64_t column_pairs = at + pair * 2 * kBrainPanel;
          const auto low = reinterpret_cast<__m512bh>(_mm512_load_ps(term.right[0] + column_pairs)),
                     high = reinterpret_cast<__m512bh>(_mm512_load_ps(term.right[1] + column_pairs));
          for (int i = 0; i < kRows; ++i) {
            std::int32_t bits;
            __builtin_memcpy(&bits, left + at + i * kBrainStep + pair * 2, sizeof bits);
            const auto x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(bits));
            sums[i][0] = _mm512_dpbf16_ps(sums[i][0], x, low);
            sums[i][1] = _mm512_dpbf16_ps(sums[i][1], x, high);
          }
        }
      }
    }
    for (int i = 0; i < kRows; ++i) {
      for (int half = 0; half < 2; ++half)
        _mm512_storeu_ps(out + i * block.out_stride + half * kBrainPanel, sums[i][half]);
    }
  }
}

}  // namespace

void use_brain_tiles_avx512(KernelTable& table) {
  table.multiply_brain_block = multiply_brain_block;
  table.cheap_brain_terms = 1;
  table.multiply_brain_tile = multiply_tile_simd<BrainPairs>;
  table.pair_brains = pair_brains;
}

}  // namespace assay
