// The mixed second moment of two sets of vectors, 2/T sum_t a_t b_t^T: how what a layer should have seen goes with what it sees.
#pragma once
#include <cstdint>

#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/matrix.h"

namespace assay {

// Sums a b^T over batches in float32: rows * cols floats of memory.
// Determinism and numerics as GramAccumulator. Thread safety: one call at a time.
class CrossMomentAccumulator {
 public:
  // REQUIRES: rows, cols >= 1.
  CrossMomentAccumulator(std::int64_t rows, std::int64_t cols);

  // a [T, rows], b [T, cols], borrowed for the call. REQUIRES: those shapes; use_single_threaded_blas() was called.
  void add(MatrixView<const float> a, MatrixView<const float> b, ThreadPool& pool);

  // [rows, cols], with the factor 2/T of GramAccumulator::hessian. kInvalidArgument when nothing was added.
  Result<Matrix<float>> moment() const;

 private:
  Matrix<float> sum_;
  std::int64_t num_terms_ = 0;
};

}  // namespace assay
