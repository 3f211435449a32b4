// The second-moment matrix of a layer's inputs, H = 2/T sum_t x_t x_t^T: what calibration hands to the solver.
#pragma once
#include <cstdint>

#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/matrix.h"

namespace assay {

// Sums x x^T over batches in float32, upper triangle only: `dim`^2 floats of memory.
// Determinism: same bits for any number of threads on one kind of processor; how rows are cut into batches changes the rounding.
// Numerics: |H_ij - exact| <= gamma_T * 2/T sum_t |x_ti x_tj|, gamma_T = T eps / (1 - T eps) at worst (eps = 2^-24).
// Thread safety: one call at a time. Source: GPTQ, arXiv:2210.17323, section 3 (the objective's Hessian).
class GramAccumulator {
 public:
  // REQUIRES: dim >= 1.
  explicit GramAccumulator(std::int64_t dim);

  std::int64_t dim() const { return sum_.rows(); }
  // Rows added so far, T.
  std::int64_t num_rows() const { return num_rows_; }

  // x [any number of rows, dim], borrowed for the call. NaN and Inf pass into the sum; the solver reports them.
  // REQUIRES: x.cols == dim(); use_single_threaded_blas() was called.
  void add(MatrixView<const float> x, ThreadPool& pool);

  // Adds what another accumulator of the same dim has seen (shards of one calibration set).
  void merge(const GramAccumulator& other);

  // H [dim, dim], symmetric, both triangles filled. kInvalidArgument when no row was added.
  Result<Matrix<float>> hessian() const;

 private:
  Matrix<float> sum_;  // [dim, dim], the upper triangle of sum x x^T; below it, unspecified
  std::int64_t num_rows_ = 0;
};

}  // namespace assay
