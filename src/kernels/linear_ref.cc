// Plain matrix products.
#include <algorithm>
#include <cmath>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr int kTileRows = 4;
constexpr int kTileCols = 16;

void transpose(const float* in, std::int64_t in_stride, std::int64_t rows, std::int64_t cols, float* out,
               std::int64_t out_stride) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) out[c * out_stride + r] = in[r * in_stride + c];
  }
}

void multiply_tile(const Tile& tile) {
  for (int i = 0; i < tile.num_rows; ++i) {
    float sums[kTileCols] = {};
    for (std::int64_t k = 0; k < tile.depth; ++k) {
      const float x = tile.x[k * tile.x_stride + i];
      const float* w = tile.w + k * tile.w_stride;
      for (int j = 0; j < tile.num_cols; ++j) sums[j] += x * w[j];
    }
    float* y = tile.y + i * tile.y_stride;
    const float* start = tile.start != nullptr ? tile.start : y;
    for (int j = 0; j < tile.num_cols; ++j) y[j] = start[j] + sums[j];
  }
}

template <WeightFormat kFormat>
void dot(const WeightRows& w, std::int64_t begin, std::int64_t end, const VectorInput& x, float* y) {
  KernelTable reference;
  use_dequantize_reference(reference);
  constexpr std::int64_t kPart = 512;
  float part[kPart];
  for (std::int64_t r = begin; r < end; ++r) {
    float sum = 0;
    for (std::int64_t c = 0; c < w.cols; c += kPart) {
      const std::int64_t count = std::min(kPart, w.cols - c);
      reference.dequantize[static_cast<int>(kFormat)](w, r, c, c + count, part);
      for (std::int64_t i = 0; i < count; ++i) sum += part[i] * x.x[c + i];
    }
    y[r] = sum;
  }
}

void round_input(const float* x, std::int64_t cols, const RoundedInput& out) {
  for (std::int64_t g = 0; g < cols / kInt8Group; ++g) {
    float largest = 0;
    bool finite = true;
    for (int i = 0; i < kInt8Group; ++i) {
      const float magnitude = std::abs(x[g * kInt8Group + i]);
      finite = finite && magnitude < INFINITY;
      largest = std::max(largest, magnitude);
    }
    // A group that holds a NaN or an infinity makes the whole result NaN.
    out.scales[g] = finite ? largest / 127.0f : NAN;
    const float inverse = finite && largest > 0 ? 127.0f / largest : 0.0f;
    std::int32_t sums[2] = {};
    for (int i = 0; i < kInt8Group; ++i) {
      const float scaled = finite ? x[g * kInt8Group + i] * inverse : 0.0f;
      out.q[g * kInt8Group + i] = static_cast<std::int8_t>(std::lrint(scaled));
      sums[i / 16] += out.q[g * kInt8Group + i];
    }
    out.half_sums[2 * g] = sums[0];
    out.half_sums[2 * g + 1] = sums[1];
    out.sums[g] = sums[0] + sums[1];
  }
}

template <int... kFormats>
void set_dots(KernelTable& table) {
  ((table.dot[kFormats] = dot<static_cast<WeightFormat>(kFormats)>), ...);
}

}  // namespace

void use_linear_reference(KernelTable& table) {
  table.tile_rows = kTileRows;
  table.tile_cols = kTileCols;
  table.transpose = transpose;
  table.multiply_tile = multiply_tile;
  table.round_input = round_input;
  set_dots<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16>(table);
}

}  // namespace assay
