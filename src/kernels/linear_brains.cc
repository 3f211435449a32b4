// A pair of neighbouring bfloat16 columns is moved about as one 32-bit word, so weights are turned as they
// lie in memory, without being converted, and the transposition of floats serves for words.
#include "kernels/linear_brains.h"

#include <algorithm>

#include "kernels/panel_tiles.h"
#include "kernels/scratch.h"

namespace assay {
namespace {

constexpr std::int64_t kDepthPairs = 768;  // a panel of it fills half of the second-level cache

// Tile t of x begins at packed + t * tile_rows * pairs and is [pairs][tokens of the tile].
void pack_rows(const KernelTable& table, MatrixView<const float> x, float* packed, ThreadPool& pool) {
  const std::int64_t pairs = x.cols / 2;
  pool.parallel_for((x.rows + table.tile_rows - 1) / table.tile_rows, 1, [&](WorkRange range) {
    const Scratch<float> rows(table.tile_rows * pairs);
    for (std::int64_t tile = range.begin; tile < range.end; ++tile) {
      const std::int64_t begin = tile * table.tile_rows;
      const std::int64_t count = std::min<std::int64_t>(table.tile_rows, x.rows - begin);
      for (std::int64_t t = 0; t < count; ++t)
        table.pair_brains(x.row(begin + t), pairs, rows.get() + t * pairs);
      table.transpose(rows.get(), pairs, count, pairs, packed + begin * pairs, count);
    }
  });
}

}  // namespace

bool can_multiply_brains(const KernelTable& table, const WeightRows& weight) {
  return table.multiply_brain_tile != nullptr && weight.format == WeightFormat::kBF16 &&
         weight.cols % 2 == 0 && weight.cols > 0;
}

void multiply_brains(const KernelTable& table, const WeightRows& weight, MatrixView<const float> x,
                     std::span<const float> bias, MatrixView<float> y, ThreadPool& pool) {
  const std::int64_t pairs = weight.cols / 2;
  const Scratch<float> packed(x.rows * pairs);
  pack_rows(table, x, packed.get(), pool);
  pool.parallel_for(y.cols, table.tile_cols, [&](WorkRange range) {
    const Scratch<float> panel(table.tile_cols * kDepthPairs);
    const Scratch<float> start(table.tile_cols);
    for (std::int64_t begin = 0; begin < pairs; begin += kDepthPairs) {
      const std::int64_t depth = std::min(kDepthPairs, pairs - begin);
      for (std::int64_t first = range.begin; first < range.end; first += table.tile_cols) {
        const std::int64_t count = std::min<std::int64_t>(table.tile_cols, range.end - first);
        for (std::int64_t i = 0; i < count; ++i)
          start.get()[i] = bias.empty() ? 0.0f : bias[static_cast<std::size_t>(first + i)];
        const auto* words = reinterpret_cast<const float*>(weight.data + first * weight.row_bytes) + begin;
        table.transpose(words, weight.row_bytes / 4, count, depth, panel.get(), table.tile_cols);
        multiply_panel_tiles(table, table.multiply_brain_tile,
                             {packed.get(), pairs, begin, depth, panel.get(),
                              begin == 0 ? start.get() : nullptr, first, count},
                             y);
      }
    }
  });
}

}  // namespace assay
