// The tile product and the transposition for AVX-512.
//
// A tile is 14 tokens x 32 outputs: 28 accumulators, 2 vectors of weights and one broadcast value of x fill the 32
// registers. Per column there are 28 multiply-adds to 16 loads, so the multiplier is the limit and not the loads; and 28
// independent sums cover the 4 cycles of a multiply-add.
#include <immintrin.h>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr int kTileRows = 14;
constexpr int kTileCols = 32;

// Of vector v of a row of num_cols values.
__mmask16 lanes(int num_cols, int v) {
  const int left = num_cols - 16 * v;
  return left >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << (left > 0 ? left : 0)) - 1u);
}

// Every loop over sums is unrolled, or they would live in memory.
template <int kRows, int kVectors>
void multiply(const Tile& tile) {
  __m512 sums[kRows][kVectors];
  __mmask16 mask[kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) mask[v] = lanes(tile.num_cols, v);
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sums[i][v] = _mm512_setzero_ps();
  }
  const float* x = tile.x;
  const float* w = tile.w;
  for (std::int64_t k = 0; k < tile.depth; ++k, x += tile.x_stride, w += tile.w_stride) {
    __m512 weights[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) weights[v] = _mm512_maskz_loadu_ps(mask[v], w + 16 * v);
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      const __m512 value = _mm512_set1_ps(x[i]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[i][v] = _mm512_fmadd_ps(value, weights[v], sums[i][v]);
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
    float* y = tile.y + i * tile.y_stride;
    const float* start = tile.start != nullptr ? tile.start : y;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m512 before = _mm512_maskz_loadu_ps(mask[v], start + 16 * v);
      _mm512_mask_storeu_ps(y + 16 * v, mask[v], _mm512_add_ps(before, sums[i][v]));
    }
  }
}

template <int kVectors>
constexpr TileFn kByRows[kTileRows + 1] = {
    nullptr,
    multiply<1, kVectors>,  multiply<2, kVectors>,  multiply<3, kVectors>,  multiply<4, kVectors>,
    multiply<5, kVectors>,  multiply<6, kVectors>,  multiply<7, kVectors>,  multiply<8, kVectors>,
    multiply<9, kVectors>,  multiply<10, kVectors>, multiply<11, kVectors>, multiply<12, kVectors>,
    multiply<13, kVectors>, multiply<14, kVectors>,
};

void multiply_tile(const Tile& tile) {
  if (tile.num_cols <= 16) return kByRows<1>[tile.num_rows](tile);
  kByRows<2>[tile.num_rows](tile);
}

// Turns 16 x 16 values: pairs, quadruples, then 128-bit lanes change places.
void turn(__m512 r[16]) {
  __m512 t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 16
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

void transpose(const float* in, std::int64_t in_stride, std::int64_t rows, std::int64_t cols, float* out,
               std::int64_t out_stride) {
  for (std::int64_t r = 0; r < rows; r += 16) {
    const int num_rows = static_cast<int>(rows - r < 16 ? rows - r : 16);
    const __mmask16 row_mask = lanes(num_rows, 0);
    for (std::int64_t c = 0; c < cols; c += 16) {
      const int num_cols = static_cast<int>(cols - c < 16 ? cols - c : 16);
      const __mmask16 col_mask = lanes(num_cols, 0);
      __m512 block[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        block[i] = i < num_rows ? _mm512_maskz_loadu_ps(col_mask, in + (r + i) * in_stride + c) : _mm512_setzero_ps();
      }
      turn(block);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        if (i < num_cols) _mm512_mask_storeu_ps(out + (c + i) * out_stride + r, row_mask, block[i]);
      }
    }
  }
}

}  // namespace

void use_linear_avx512(KernelTable& table) {
  table.tile_rows = kTileRows;
  table.tile_cols = kTileCols;
  table.transpose = transpose;
  table.multiply_tile = multiply_tile;
}

}  // namespace assay
