#include "gradient/products.h"

#include <cblas.h>

#include <algorithm>

#include "base/check.h"

namespace assay {
namespace {

// Longest sides of a tile of the output: wide enough that OpenBLAS' packing of both factors is a small part
// of the product.
constexpr std::int64_t kTileRows = 512;
constexpr std::int64_t kTileCols = 384;
// A product is cut into at least so many tiles, for several threads, unless they would become narrower than
// kNarrow.
constexpr std::int64_t kLeastTiles = 8;
constexpr std::int64_t kNarrow = 96;

std::int64_t parts(std::int64_t size, std::int64_t length) { return (size + length - 1) / length; }

struct TileShape {
  std::int64_t rows, cols;
};

TileShape tile_shape(std::int64_t rows, std::int64_t cols) {
  std::int64_t down = parts(rows, kTileRows), across = parts(cols, kTileCols);
  while (down * across < kLeastTiles && std::max(rows / down, cols / across) >= 2 * kNarrow)
    (rows / down >= cols / across ? down : across) *= 2;
  return {parts(rows, down), parts(cols, across)};
}

struct Factor {
  MatrixView<const float> values;
  bool transposed = false;

  // Of op(values), its first row or column being `begin`.
  const float* from_row(std::int64_t begin) const {
    return transposed ? values.data + begin : values.row(begin);
  }
  const float* from_col(std::int64_t begin) const {
    return transposed ? values.row(begin) : values.data + begin;
  }
  CBLAS_TRANSPOSE operation() const { return transposed ? CblasTrans : CblasNoTrans; }
};

// out = op(a) op(b), or added to it.
void multiply(const Factor& a, const Factor& b, std::int64_t depth, MatrixView<float> out,
              Accumulate accumulate, ThreadPool& pool) {
  ASSAY_CHECK(openblas_get_num_threads() == 1);
  if (out.rows == 0 || out.cols == 0) return;
  const TileShape shape = tile_shape(out.rows, out.cols);
  const std::int64_t tiles_across = parts(out.cols, shape.cols),
                     num_tiles = parts(out.rows, shape.rows) * tiles_across;
  const float beta = accumulate == Accumulate::kYes ? 1.0f : 0.0f;
  // Threads take the next tile when free; a tile's bits do not depend on who computes it.
  pool.take_turns(num_tiles, [&](std::int64_t tile, int) {
    const std::int64_t row = tile / tiles_across * shape.rows, col = tile % tiles_across * shape.cols;
    const auto rows = static_cast<int>(std::min(shape.rows, out.rows - row));
    const auto cols = static_cast<int>(std::min(shape.cols, out.cols - col));
    cblas_sgemm(CblasRowMajor, a.operation(), b.operation(), rows, cols, static_cast<int>(depth), 1.0f,
                a.from_row(row), static_cast<int>(a.values.stride), b.from_col(col),
                static_cast<int>(b.values.stride), beta, out.row(row) + col, static_cast<int>(out.stride));
  });
}

}  // namespace

void multiply_forward(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y,
                      Accumulate accumulate, ThreadPool& pool) {
  ASSAY_CHECK(x.cols == w.cols && y.rows == x.rows && y.cols == w.rows);
  multiply({x, false}, {w, true}, x.cols, y, accumulate, pool);
}

void multiply_to_input(MatrixView<const float> dy, MatrixView<const float> w, MatrixView<float> dx,
                       Accumulate accumulate, ThreadPool& pool) {
  ASSAY_CHECK(dy.cols == w.rows && dx.rows == dy.rows && dx.cols == w.cols);
  multiply({dy, false}, {w, false}, dy.cols, dx, accumulate, pool);
}

void multiply_to_weight(MatrixView<const float> dy, MatrixView<const float> x, MatrixView<float> dw,
                        Accumulate accumulate, ThreadPool& pool) {
  ASSAY_CHECK(dy.rows == x.rows && dw.rows == dy.cols && dw.cols == x.cols);
  multiply({dy, true}, {x, false}, dy.rows, dw, accumulate, pool);
}

}  // namespace assay
