// Blocks of bfloat16 products in tile registers: 16 x 16 sums of 32 products each by one instruction.
#include <immintrin.h>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

// Eight tiles of 16 rows of 64 bytes (Intel's manual, volume 1, 18.3: palette 1).
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

void multiply_brain_block(const BrainBlock& block) {
  constexpr std::int64_t kStepValues = kBrainPanel * kBrainStep;
  constexpr int kRowBytes = 64;
  const TileConfig config;
  _tile_loadconfig(&config);
  const auto out_bytes = static_cast<std::int64_t>(sizeof(float)) * block.out_stride;
  float *upper = block.out, *lower = block.out + kBrainPanel * block.out_stride;
  if (block.onto) {
    _tile_loadd(0, upper, out_bytes);
    _tile_loadd(1, upper + kBrainPanel, out_bytes);
    _tile_loadd(2, lower, out_bytes);
    _tile_loadd(3, lower + kBrainPanel, out_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int t = 0; t < block.num_terms; ++t) {
    const BrainTerm& term = block.terms[t];
    for (std::int64_t at = 0; at < block.num_steps * kStepValues; at += kStepValues) {
      _tile_loadd(4, term.left[0] + at, kRowBytes);
      _tile_loadd(5, term.left[1] + at, kRowBytes);
      _tile_loadd(6, term.right[0] + at, kRowBytes);
      _tile_loadd(7, term.right[1] + at, kRowBytes);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, upper, out_bytes);
  _tile_stored(1, upper + kBrainPanel, out_bytes);
  _tile_stored(2, lower, out_bytes);
  _tile_stored(3, lower + kBrainPanel, out_bytes);
  // Or the kernel would save tiles at every switch of threads.
  _tile_release();
}

}  // namespace

void use_brain_blocks_amx(KernelTable& table) {
  table.multiply_brain_block = multiply_brain_block;
  table.cheap_brain_terms = 3;
}

}  // namespace assay
