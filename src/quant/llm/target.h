// The weights to round. Behind layers that were rounded already, a layer reads X~ where the float model's reads X, so the best float
// weights are no longer W: outputs W X + R (R: what the residual stream lacks before the layer's output is added to it) are matched
// on X~ by W* = W + strength * (W (X - X~) X~^T + R X~^T) (X~ X~^T + damping)^-1, a linear least-squares problem.
// Sources: GPTAQ, arXiv:2504.02692 (the asymmetric objective; here solved for before rounding, so that every rounding method
// can follow); Qronos, arXiv:2505.11695 (correction of past errors).
#pragma once
#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/matrix.h"

namespace assay {

// What calibration tells about one layer. All with the factor 2/T, T tokens.
struct LayerMoments {
  Matrix<float> hessian;   // [in, in]: X~ X~^T
  Matrix<float> drift;     // [in, in]: (X - X~) X~^T; empty: no float stream
  Matrix<float> residual;  // [out, in]: R X~^T; empty: nothing is to be made up for
};

// G = W D + R [out, in]: minus half the slope, at Q = W, of the error of outputs, tr((W - Q) H (W - Q)^T) + 2 tr((W - Q) G^T).
// REQUIRES: moments.drift is not empty; shapes agree.
Matrix<float> output_drift(MatrixView<const float> w, const LayerMoments& moments, ThreadPool& pool);

// G (H + damp * mean diagonal)^-1: the shift from W to W* at strength 1. Solved in float64 by Cholesky. damp > 0 grows tenfold
// until H + damping is positive definite. Errors: kCorrupt when no damping up to 1000 helps or values are not finite.
// Same bits for any number of threads. REQUIRES: shapes agree; use_single_threaded_blas() was called.
Result<Matrix<float>> target_shift(MatrixView<const float> drift, MatrixView<const float> hessian, double damp, ThreadPool& pool);

// tr((W - Q) H (W - Q)^T) + 2 tr((W - Q) G^T) for difference = W - Q: the error of the outputs but for a constant. In float64;
// same bits for any number of threads.
double drifted_error(MatrixView<const float> difference, MatrixView<const float> hessian, MatrixView<const float> drift,
                     ThreadPool& pool);

// The strength within [0, 1] at which W + strength * shift errs least on data that `shift` was not made of: the error is a
// quadratic function of strength, so its least value is known.
double best_strength(MatrixView<const float> shift, MatrixView<const float> hessian, MatrixView<const float> drift, ThreadPool& pool);

}  // namespace assay
