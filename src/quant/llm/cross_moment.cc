#include "quant/llm/cross_moment.h"

#include <cblas.h>

#include <algorithm>

#include "base/check.h"
#include "quant/llm/blas.h"

namespace assay {
namespace {

// As in hessian.cc: panels of that many terms stay in the second-level cache, tiles are large enough that packing is a small
// part of a product.
constexpr std::int64_t kTermBlock = 256;
constexpr std::int64_t kTileSide = 288;

}  // namespace

CrossMomentAccumulator::CrossMomentAccumulator(std::int64_t rows, std::int64_t cols) : sum_(rows, cols) {
  ASSAY_CHECK(rows >= 1 && cols >= 1);
}

void CrossMomentAccumulator::add(MatrixView<const float> a, MatrixView<const float> b, ThreadPool& pool) {
  ASSAY_CHECK(a.cols == sum_.rows() && b.cols == sum_.cols() && a.rows == b.rows && blas_is_single_threaded());
  const auto tiles_across = (sum_.cols() + kTileSide - 1) / kTileSide;
  const auto num_tiles = (sum_.rows() + kTileSide - 1) / kTileSide * tiles_across;
  pool.take_turns(num_tiles, [&](std::int64_t tile, int) {
    const auto row = tile / tiles_across * kTileSide;
    const auto col = tile % tiles_across * kTileSide;
    const auto tile_rows = static_cast<int>(std::min(kTileSide, sum_.rows() - row));
    const auto tile_cols = static_cast<int>(std::min(kTileSide, sum_.cols() - col));
    for (std::int64_t begin = 0; begin < a.rows; begin += kTermBlock) {
      const auto depth = static_cast<int>(std::min(kTermBlock, a.rows - begin));
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, tile_rows, tile_cols, depth, 1.0f, a.row(begin) + row,
                  static_cast<int>(a.stride), b.row(begin) + col, static_cast<int>(b.stride), 1.0f, sum_.row(row) + col,
                  static_cast<int>(sum_.cols()));
    }
  });
  num_terms_ += a.rows;
}

Result<Matrix<float>> CrossMomentAccumulator::moment() const {
  if (num_terms_ == 0) {
    return Error{ErrorCode::kInvalidArgument, "calibration: no input reached this layer; expected at least one token"};
  }
  Matrix<float> moment = sum_;
  const double factor = 2.0 / static_cast<double>(num_terms_);
  for (std::int64_t i = 0; i < moment.rows() * moment.cols(); ++i) {
    moment.data()[i] = static_cast<float>(factor * static_cast<double>(moment.data()[i]));
  }
  return moment;
}

}  // namespace assay
