#include "quant/llm/hessian.h"

#include <cblas.h>

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "quant/llm/blas.h"

namespace assay {
namespace {

// Rows per product: panels of that many rows stay in the second-level cache.
constexpr std::int64_t kRowBlock = 256;

struct Tile {
  std::int64_t row, col;  // of the first entry in H; col >= row
};

// Side of a tile: large enough that packing is a small part of a product (288: 84 GFLOP/s of 95 on one Zen 4 core), small
// enough that a narrow layer still makes work for several threads. A function of dim alone, as the bits depend on it.
std::int64_t tile_side(std::int64_t dim) { return std::clamp<std::int64_t>((dim / 4 + 95) / 96 * 96, 288, 576); }

std::vector<Tile> upper_tiles(std::int64_t dim) {
  const auto side = tile_side(dim);
  std::vector<Tile> tiles;
  for (std::int64_t row = 0; row < dim; row += side) {
    for (std::int64_t col = row + side; col < dim; col += side) tiles.push_back({row, col});
  }
  // The cheaper ones last, so that threads finish at about the same time.
  for (std::int64_t row = 0; row < dim; row += side) tiles.push_back({row, row});
  return tiles;
}

// sum[tile] += x^T x of the tile's columns.
void add_tile(const Tile& tile, MatrixView<const float> x, Matrix<float>& sum) {
  const auto dim = sum.rows();
  const auto tile_rows = static_cast<int>(std::min(tile_side(dim), dim - tile.row));
  const auto tile_cols = static_cast<int>(std::min(tile_side(dim), dim - tile.col));
  float* out = sum.row(tile.row) + tile.col;
  const auto out_stride = static_cast<int>(dim);
  for (std::int64_t begin = 0; begin < x.rows; begin += kRowBlock) {
    const auto depth = static_cast<int>(std::min(kRowBlock, x.rows - begin));
    const auto stride = static_cast<int>(x.stride);
    const float* left = x.row(begin) + tile.row;
    if (tile.row == tile.col) {
      cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, tile_rows, depth, 1.0f, left, stride, 1.0f, out, out_stride);
    } else {
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, tile_rows, tile_cols, depth, 1.0f, left, stride,
                  x.row(begin) + tile.col, stride, 1.0f, out, out_stride);
    }
  }
}

}  // namespace

GramAccumulator::GramAccumulator(std::int64_t dim) : sum_(dim, dim) { ASSAY_CHECK(dim >= 1); }

void GramAccumulator::add(MatrixView<const float> x, ThreadPool& pool) {
  ASSAY_CHECK(x.cols == dim() && blas_is_single_threaded());
  const auto tiles = upper_tiles(dim());
  // Tiles differ in cost, so threads take the next one when free; a tile's bits do not depend on who computes it.
  pool.take_turns(static_cast<std::int64_t>(tiles.size()), [&](std::int64_t i, int) { add_tile(tiles[static_cast<std::size_t>(i)], x, sum_); });
  num_rows_ += x.rows;
}

void GramAccumulator::merge(const GramAccumulator& other) {
  ASSAY_CHECK(other.dim() == dim());
  for (std::int64_t row = 0; row < dim(); ++row) {
    for (std::int64_t col = row; col < dim(); ++col) sum_.at(row, col) += other.sum_.at(row, col);
  }
  num_rows_ += other.num_rows_;
}

Result<Matrix<float>> GramAccumulator::hessian() const {
  if (num_rows_ == 0) {
    return Error{ErrorCode::kInvalidArgument, "calibration: no input reached this layer; expected at least one token"};
  }
  Matrix<float> h(dim(), dim());
  const double factor = 2.0 / static_cast<double>(num_rows_);
  for (std::int64_t row = 0; row < dim(); ++row) {
    for (std::int64_t col = row; col < dim(); ++col) {
      h.at(row, col) = static_cast<float>(factor * static_cast<double>(sum_.at(row, col)));
      h.at(col, row) = h.at(row, col);
    }
  }
  return h;
}

}  // namespace assay
