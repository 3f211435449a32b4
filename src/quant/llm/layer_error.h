// How far a quantized weight matrix is from the original: in itself, and in what it does to the calibration inputs.
#pragma once
#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "tensor/group_quant.h"
#include "tensor/matrix.h"

namespace assay {

struct LayerError {
  double weight = 0;  // ||W - Q||_F / ||W||_F
  double output = 0;  // tr((W - Q) H (W - Q)^T) / tr(W H W^T): relative squared error of the outputs
};

// W [out, in]; q's column j stands for input column_order[j] (empty: j). H [in, in] symmetric.
// Sums in float64, same bits for any number of threads. 0/0 is 0. NaN and Inf propagate.
// REQUIRES: shapes agree; use_single_threaded_blas() was called.
LayerError layer_error(MatrixView<const float> w, const GroupQuantMatrix& q, std::span<const std::int32_t> column_order,
                       MatrixView<const float> h, ThreadPool& pool);

// ||W - Q||_F / ||W||_F alone, where there is no H.
double weight_error(MatrixView<const float> w, const GroupQuantMatrix& q, std::span<const std::int32_t> column_order);

}  // namespace assay
