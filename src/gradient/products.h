// The three matrix products of a linear layer and its gradients, in float32 through OpenBLAS.
#pragma once
#include "base/thread_pool.h"
#include "tensor/matrix.h"

namespace assay {

enum class Accumulate : bool { kNo, kYes };

// For a layer y = x W^T with x (T, K), W (N, K), y (T, N); with kYes the product is added to what the output
// holds. Aliasing: the output overlaps no input. Sizes may be 0. Numerics: float32 sums of K, N or T terms,
// each within terms * 2^-24 * sum |products| of the exact value. Determinism: an output is split into tiles
// that depend on its shape alone, one single-threaded BLAS call each, so the bits depend on the core that
// OpenBLAS chose its kernels for, but not on the number of threads. REQUIRES: OpenBLAS is set to one thread
// (quant/llm/blas.h); shapes agree.
void multiply_forward(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y,
                      Accumulate accumulate,
                      ThreadPool& pool);  // y = x W^T
void multiply_to_input(MatrixView<const float> dy, MatrixView<const float> w, MatrixView<float> dx,
                       Accumulate accumulate,
                       ThreadPool& pool);  // dx = dy W
void multiply_to_weight(MatrixView<const float> dy, MatrixView<const float> x, MatrixView<float> dw,
                        Accumulate accumulate,
                        ThreadPool& pool);  // dW = dy^T x

}  // namespace assay
