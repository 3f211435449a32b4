// A panel of weight rows times all rows of x, tile by tile. Private to linear*.cc.
#pragma once
#include "kernels/kernel_table.h"
#include "tensor/matrix.h"

namespace assay {

// Columns are floats, or pairs of bfloat16 in one word: whatever `multiply` takes.
struct PanelTiles {
  const float* packed;  // tile t of x at packed + t * tile_rows * cols, as [cols][tokens of the tile]
  std::int64_t cols;    // of a row of x
  std::int64_t begin;   // the panel's columns are [begin, begin + depth)
  std::int64_t depth;
  const float* panel;  // [depth][tile_cols]
  const float* start;  // `count` values to begin with; null: what y holds
  std::int64_t first;  // the panel's weight rows are [first, first + count), count <= tile_cols
  std::int64_t count;
};

inline void multiply_panel_tiles(const KernelTable& table, TileFn multiply, const PanelTiles& p,
                                 MatrixView<float> y) {
  for (std::int64_t token = 0; token < y.rows; token += table.tile_rows) {
    const std::int64_t left = y.rows - token;
    const std::int64_t tokens = left < table.tile_rows ? left : table.tile_rows;
    Tile tile;
    tile.x = p.packed + token * p.cols + p.begin * tokens;
    tile.x_stride = tokens;
    tile.w = p.panel;
    tile.w_stride = table.tile_cols;
    tile.depth = p.depth;
    tile.start = p.start;
    tile.y = y.row(token) + p.first;
    tile.y_stride = y.stride;
    tile.num_rows = static_cast<int>(tokens);
    tile.num_cols = static_cast<int>(p.count);
    multiply(tile);
  }
}

}  // namespace assay
