#include "gradient/products.h"

#include <cblas.h>

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "gradient/brain_products.h"
#include "gradient/packed_factor.h"
#include "gradient/turns.h"
#include "kernels/kernel_table.h"

namespace assay {
namespace {

// Longest sides of a tile of the output: wide enough that OpenBLAS' packing of both factors is a small part
// of the product.
constexpr std::int64_t kTileRows = 512;
constexpr std::int64_t kTileCols = 384;
// A product is cut into at least so many tiles, for several threads, unless they would become narrower than
// kNarrow.
constexpr std::int64_t kLeastTiles = 16;
constexpr std::int64_t kNarrow = 96;

struct TileShape {
  std::int64_t rows, cols;
};

TileShape tile_shape(std::int64_t rows, std::int64_t cols) {
  std::int64_t down = pieces(rows, kTileRows), across = pieces(cols, kTileCols);
  while (down * across < kLeastTiles && std::max(rows / down, cols / across) >= 2 * kNarrow)
    (rows / down >= cols / across ? down : across) *= 2;
  return {pieces(rows, down), pieces(cols, across)};
}

// Of op(values), its first row or column being `begin`.
const float* from_row(const Product::Factor& factor, std::int64_t begin) {
  return factor.transposed ? factor.values.data + begin : factor.values.row(begin);
}
const float* from_col(const Product::Factor& factor, std::int64_t begin) {
  return factor.transposed ? factor.values.row(begin) : factor.values.data + begin;
}
CBLAS_TRANSPOSE operation(const Product::Factor& factor) {
  return factor.transposed ? CblasTrans : CblasNoTrans;
}

void multiply_tile(const Product& product, const TileShape& shape, std::int64_t row, std::int64_t col) {
  const auto& [a, b, depth, out, accumulate, factors] = product;
  const auto rows = static_cast<int>(std::min(shape.rows, out.rows - row));
  const auto cols = static_cast<int>(std::min(shape.cols, out.cols - col));
  cblas_sgemm(CblasRowMajor, operation(a), operation(b), rows, cols, static_cast<int>(depth), 1.0f,
              from_row(a, row), static_cast<int>(a.values.stride), from_col(b, col),
              static_cast<int>(b.values.stride), accumulate == Accumulate::kYes ? 1.0f : 0.0f,
              out.row(row) + col, static_cast<int>(out.stride));
}

bool takes_brains(const Product& product, const KernelContext& kernels) {
  return kernels.table->cheap_brain_terms >= (product.factors == Factors::kFloat ? 3 : 1);
}

}  // namespace

Product forward_product(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y,
                        Accumulate accumulate, Factors factors) {
  ASSAY_CHECK(x.cols == w.cols && y.rows == x.rows && y.cols == w.rows);
  return {{x, false}, {w, true}, x.cols, y, accumulate, factors};
}

Product input_product(MatrixView<const float> dy, MatrixView<const float> w, MatrixView<float> dx,
                      Accumulate accumulate) {
  ASSAY_CHECK(dy.cols == w.rows && dx.rows == dy.rows && dx.cols == w.cols);
  return {{dy, false}, {w, false}, dy.cols, dx, accumulate, Factors::kBrain};
}

Product weight_product(MatrixView<const float> dy, MatrixView<const float> x, MatrixView<float> dw,
                       Accumulate accumulate) {
  ASSAY_CHECK(dy.rows == x.rows && dw.rows == dy.cols && dw.cols == x.cols);
  return {{dy, true}, {x, false}, dy.rows, dw, accumulate, Factors::kBrain};
}

void multiply(std::span<const Product> products, const KernelContext& kernels) {
  if (products.empty()) return;
  if (takes_brains(products.front(), kernels)) return multiply_brains(products, kernels);
  ASSAY_CHECK(openblas_get_num_threads() == 1);
  const auto outputs = by_output(products);
  std::vector<TileShape> shapes;
  Turns turns;
  for (const auto& same : outputs) {
    const MatrixView<float>& out = same.front().out;
    const TileShape shape = shapes.emplace_back(tile_shape(out.rows, out.cols));
    turns.add_job(pieces(out.rows, shape.rows) * pieces(out.cols, shape.cols));
  }
  // A tile's bits do not depend on who computes it.
  kernels.pool->take_turns(turns.count(), [&](std::int64_t turn, int) {
    const auto [job, tile] = turns.find(turn);
    const TileShape shape = shapes[job];
    const std::int64_t across = pieces(outputs[job].front().out.cols, shape.cols);
    for (const Product& product : outputs[job])
      multiply_tile(product, shape, tile / across * shape.rows, tile % across * shape.cols);
  });
}

std::unique_ptr<PackedFactor> packed_right_factor(const Product& product, const KernelContext& kernels) {
  if (!takes_brains(product, kernels)) return nullptr;
  auto packed = std::make_unique<PackedFactor>(product.right, false, product.factors == Factors::kFloat);
  PackedFactor* const factors[] = {packed.get()};
  pack_factors(factors, *kernels.table, *kernels.pool);
  return packed;
}

}  // namespace assay
