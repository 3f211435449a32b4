// Small layers for the tests of this folder.
#pragma once
#include <cmath>
#include <cstdint>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "quant/llm/hessian.h"
#include "tensor/matrix.h"

namespace assay {

inline Matrix<float> normal_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  Rng rng(seed);
  Matrix<float> m(rows, cols);
  for (std::int64_t i = 0; i < rows * cols; ++i) m.data()[i] = static_cast<float>(rng.normal());
  return m;
}

// Inputs whose columns are correlated (through `rank` common factors) and of different strength.
inline Matrix<float> correlated_inputs(std::int64_t rows, std::int64_t cols, std::int64_t rank, std::uint64_t seed) {
  const auto factors = normal_matrix(rows, rank, seed);
  const auto mixing = normal_matrix(rank, cols, seed + 1);
  const auto strength = normal_matrix(1, cols, seed + 2);
  auto x = normal_matrix(rows, cols, seed + 3);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; ++col) {
      for (std::int64_t k = 0; k < rank; ++k) x.at(row, col) += factors.at(row, k) * mixing.at(k, col);
      x.at(row, col) *= std::exp(0.7f * strength.at(0, col));
    }
  }
  return x;
}

inline Matrix<float> hessian_of(const Matrix<float>& x) {
  ThreadPool pool(1);
  GramAccumulator gram(x.cols());
  gram.add(x.view(), pool);
  return *gram.hessian();
}

}  // namespace assay
