// The tile product and the transposition in terms of Simd. Include beside one simd_<isa>.h; all is private to
// the includer.
#pragma once
#include <cstdint>
#include <utility>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

// kPartial: the last of the kVectors vectors has fewer than kLanes columns. Every loop over sums is unrolled,
// or they would live in memory.
template <typename S, int kRows, int kVectors, bool kPartial>
void multiply_rows(const Tile& tile) {
  typename S::Float sums[kRows][kVectors];
  const int last = tile.num_cols - (kVectors - 1) * S::kLanes;
  const auto load = [last](const float* p, int v) {
    if (kPartial && v == kVectors - 1) return S::load_first(p + v * S::kLanes, last, 0.0f);
    return S::load(p + v * S::kLanes);
  };
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[i][v] = S::set(0.0f);
  }
  const float* x = tile.x;
  const float* w = tile.w;
  for (std::int64_t k = 0; k < tile.depth; ++k, x += tile.x_stride, w += tile.w_stride) {
    typename S::Float weights[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) weights[v] = load(w, v);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const auto value = S::set(x[i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[i][v] = S::fma(value, weights[v], sums[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    float* y = tile.y + i * tile.y_stride;
    const float* start = tile.start != nullptr ? tile.start : y;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const auto result = S::add(load(start, v), sums[i][v]);
      if (kPartial && v == kVectors - 1) {
        S::store_first(y + v * S::kLanes, last, result);
      } else {
        S::store(y + v * S::kLanes, result);
      }
    }
  }
}

// The function for num_rows - 1 = the index.
template <typename S, int kVectors, bool kPartial, int... kIndices>
TileFn tile_function(int num_rows, std::integer_sequence<int, kIndices...>) {
  static constexpr TileFn kFunctions[] = {multiply_rows<S, kIndices + 1, kVectors, kPartial>...};
  return kFunctions[num_rows - 1];
}

template <typename S, int kVectors>
void multiply_vectors(const Tile& tile) {
  constexpr std::make_integer_sequence<int, S::kTileRows> kRows;
  if constexpr (kVectors > 1) {
    if (tile.num_cols <= (kVectors - 1) * S::kLanes) return multiply_vectors<S, kVectors - 1>(tile);
  }
  if (tile.num_cols == kVectors * S::kLanes)
    return tile_function<S, kVectors, false>(tile.num_rows, kRows)(tile);
  tile_function<S, kVectors, true>(tile.num_rows, kRows)(tile);
}

template <typename S>
void multiply_tile_simd(const Tile& tile) {
  multiply_vectors<S, S::kTileVectors>(tile);
}

template <typename S>
void transpose_simd(const float* in, std::int64_t in_stride, std::int64_t rows, std::int64_t cols, float* out,
                    std::int64_t out_stride) {
  constexpr int kLanes = S::kLanes;
  for (std::int64_t r = 0; r < rows; r += kLanes) {
    const int num_rows = static_cast<int>(rows - r < kLanes ? rows - r : kLanes);
    for (std::int64_t c = 0; c < cols; c += kLanes) {
      const int num_cols = static_cast<int>(cols - c < kLanes ? cols - c : kLanes);
      typename S::Float block[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        const float* from = in + (r + i) * in_stride + c;
        block[i] = S::set(0.0f);
        if (i < num_rows) block[i] = num_cols == kLanes ? S::load(from) : S::load_first(from, num_cols, 0.0f);
      }
      S::turn(block);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        float* to = out + (c + i) * out_stride + r;
        if (i >= num_cols) continue;
        if (num_rows == kLanes) {
          S::store(to, block[i]);
        } else {
          S::store_first(to, num_rows, block[i]);
        }
      }
    }
  }
}

template <typename S>
void use_tiles(KernelTable& table) {
  table.tile_rows = S::kTileRows;
  table.tile_cols = S::kTileVectors * S::kLanes;
  table.transpose = transpose_simd<S>;
  table.multiply_tile = multiply_tile_simd<S>;
}

}  // namespace
}  // namespace assay
