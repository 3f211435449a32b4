// Splits matrix products among threads and into tiles.
//
// T > 1: a thread takes panels of tile_cols weight rows. Of each it converts up to kDepth columns to float,
// turned so that the rows lie side by side, and multiplies them with all rows of x before it goes on: a
// packed weight is expanded once, and 96 KiB of it at a time. x is turned once per call into tiles of
// tile_rows tokens. T == 1: a thread takes weight rows and reads them as they are stored.
#include <algorithm>

#include "base/check.h"
#include "kernels/kernels.h"
#include "kernels/linear_brains.h"
#include "kernels/linear_packed.h"
#include "kernels/panel_tiles.h"
#include "kernels/scratch.h"

namespace assay {
namespace {

constexpr std::int64_t kDepth = 768;  // columns at a time; a multiple of 256, as DequantizeFn wants
// An odd number of cache lines: rows read side by side spread over the sets.
constexpr std::int64_t kRowStride = kDepth + 16;
constexpr std::int64_t kVectorPadding = 64;
constexpr std::int64_t kRowsPerTask = 16;

struct Product {
  const KernelTable& table;
  const WeightView& weight;
  WeightRows rows;
  MatrixView<const float> x;
  std::span<const float> bias;
  MatrixView<float> y;
};

// Tile t of x begins at packed + t * tile_rows * cols and is [cols][tokens of the tile].
void pack_input(const Product& p, ThreadPool& pool, float* packed) {
  const std::int64_t tile_rows = p.table.tile_rows;
  const std::int64_t num_tiles = (p.x.rows + tile_rows - 1) / tile_rows;
  pool.parallel_for(num_tiles, 1, [&](WorkRange range) {
    for (std::int64_t tile = range.begin; tile < range.end; ++tile) {
      const std::int64_t begin = tile * tile_rows;
      const std::int64_t count = std::min(tile_rows, p.x.rows - begin);
      p.table.transpose(p.x.row(begin), p.x.stride, count, p.x.cols, packed + begin * p.x.cols, count);
    }
  });
}

// Columns [begin, begin + depth) of weight rows [first, first + count) as panel[depth][tile_cols].
void expand_panel(const Product& p, std::int64_t first, std::int64_t count, std::int64_t begin,
                  std::int64_t depth, float* rows, float* panel) {
  const DequantizeFn dequantize = p.table.dequantize[static_cast<int>(p.rows.format)];
  for (std::int64_t r = 0; r < count; ++r)
    dequantize(p.rows, first + r, begin, begin + depth, rows + r * kRowStride);
  p.table.transpose(rows, kRowStride, count, depth, panel, p.table.tile_cols);
}

// Scratch of one thread.
struct PanelScratch {
  explicit PanelScratch(std::int64_t panel_rows)
      : rows(panel_rows * kRowStride), panel(panel_rows * kDepth), start(panel_rows) {}
  Scratch<float> rows;
  Scratch<float> panel;
  Scratch<float> start;
};

void multiply_panel(const Product& p, const float* packed, std::int64_t first, std::int64_t count,
                    std::int64_t begin, std::int64_t depth, const PanelScratch& scratch) {
  float* start = scratch.start.get();
  for (std::int64_t i = 0; i < count; ++i)
    start[i] = p.bias.empty() ? 0.0f : p.bias[static_cast<std::size_t>(first + i)];
  expand_panel(p, first, count, begin, depth, scratch.rows.get(), scratch.panel.get());
  multiply_panel_tiles(
      p.table, p.table.multiply_tile,
      {packed, p.x.cols, begin, depth, scratch.panel.get(), begin == 0 ? start : nullptr, first, count}, p.y);
}

void multiply_matrix(const Product& p, ThreadPool& pool) {
  const Scratch<float> packed(p.x.rows * p.x.cols);
  pack_input(p, pool, packed.get());
  const std::int64_t panel_rows = p.table.tile_cols;
  pool.parallel_for(p.weight.rows, panel_rows, [&](WorkRange range) {
    const PanelScratch scratch(panel_rows);
    // Columns outside, so that a block of x stays in the cache for all panels. No columns: y is the bias.
    for (std::int64_t begin = 0; begin == 0 || begin < p.x.cols; begin += kDepth) {
      const std::int64_t depth = std::min(kDepth, p.x.cols - begin);
      for (std::int64_t first = range.begin; first < range.end; first += panel_rows) {
        multiply_panel(p, packed.get(), first, std::min(panel_rows, range.end - first), begin, depth,
                       scratch);
      }
    }
  });
}

// The function for rounded input, or null where x is to be taken as it is.
DotFn int8_dot(const Product& p, Activations activations) {
  return activations == Activations::kRounded ? p.table.dot_int8[static_cast<int>(p.rows.format)] : nullptr;
}

void multiply_vector(const Product& p, ThreadPool& pool, Activations activations) {
  const std::int64_t padded = (p.x.cols + kVectorPadding - 1) / kVectorPadding * kVectorPadding;
  const Scratch<float> x(padded);
  std::fill(std::copy_n(p.x.data, p.x.cols, x.get()), x.get() + padded, 0.0f);
  VectorInput input{x.get(), nullptr, nullptr, nullptr, nullptr};
  const DotFn int8 = int8_dot(p, activations);
  const std::int64_t rounded = int8 != nullptr ? padded : 0;
  const Scratch<std::int8_t> q(rounded);
  const Scratch<float> scales(rounded / kInt8Group);
  const Scratch<std::int32_t> sums(rounded / kInt8Group);
  const Scratch<std::int32_t> half_sums(rounded / kInt8Group * 2);
  if (int8 != nullptr) {
    p.table.round_input(x.get(), padded, {q.get(), scales.get(), sums.get(), half_sums.get()});
    input = {x.get(), q.get(), scales.get(), sums.get(), half_sums.get()};
  }
  const DotFn dot = int8 != nullptr ? int8 : p.table.dot[static_cast<int>(p.rows.format)];
  float* y = p.y.data;
  pool.parallel_for(p.weight.rows, kRowsPerTask, [&](WorkRange range) {
    dot(p.rows, range.begin, range.end, input, y);
    if (p.bias.empty()) return;
    for (std::int64_t r = range.begin; r < range.end; ++r) y[r] += p.bias[static_cast<std::size_t>(r)];
  });
}

void multiply(const KernelContext& context, const LinearLayer& layer, MatrixView<const float> x) {
  const Product product{*context.table, layer.weight, weight_rows(layer.weight), x, layer.bias, layer.y};
  if (x.rows == 1) {
    multiply_vector(product, *context.pool, context.activations);
  } else if (context.activations == Activations::kRounded &&
             can_multiply_brains(product.table, product.rows)) {
    multiply_brains(product.table, product.rows, x, layer.bias, layer.y, *context.pool);
  } else {
    multiply_matrix(product, *context.pool);
  }
}

bool is_packed(const KernelContext& context, const LinearLayer& layer) {
  return context.activations == Activations::kRounded && layer.weight.packed != nullptr;
}

}  // namespace

void linear_layers(const KernelContext& context, std::span<const LinearLayer> layers,
                   MatrixView<const float> x) {
  for (const auto& layer : layers) {
    ASSAY_CHECK(x.cols == layer.weight.cols && layer.y.rows == x.rows && layer.y.cols == layer.weight.rows);
    ASSAY_CHECK(layer.bias.empty() || static_cast<std::int64_t>(layer.bias.size()) == layer.weight.rows);
  }
  if (x.rows == 0 || layers.empty()) return;
  if (std::ranges::all_of(layers, [&](const LinearLayer& layer) { return is_packed(context, layer); })) {
    multiply_packed(context, layers, x);
    return;
  }
  for (const auto& layer : layers) {
    if (layer.weight.rows == 0) continue;
    if (is_packed(context, layer)) {
      multiply_packed(context, {&layer, 1}, x);
    } else {
      multiply(context, layer, x);
    }
  }
}

void linear(const KernelContext& context, const WeightView& weight, MatrixView<const float> x,
            std::span<const float> bias, MatrixView<float> y) {
  const LinearLayer layer{weight, bias, y};
  linear_layers(context, {&layer, 1}, x);
}

}  // namespace assay
