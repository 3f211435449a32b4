// Gradients of the small operations of a block: norms, rotary positions, gated activations. In each, dy is
// the gradient of a scalar loss with respect to the operation's output; docs/numerics.md#gradients bounds the
// results. Determinism: the same bits for any number of threads. Shapes are those of kernels/kernels.h.
#pragma once
#include <span>

#include "kernels/kernels.h"
#include "tensor/matrix.h"

namespace assay {

// Of y = x / sqrt(mean(x^2) + epsilon) * weight, row by row. dx is written, dweight added to; dx may be dy.
void rms_norm_gradient(MatrixView<const float> x, std::span<const float> weight, float epsilon,
                       MatrixView<const float> dy, MatrixView<float> dx, std::span<float> dweight,
                       ThreadPool& pool);

// Of apply_rope with the same angles, in place: a rotation's gradient is turned back.
void rope_gradient(const KernelContext& context, MatrixView<float> dx, std::int64_t head_dim,
                   std::int64_t rotary_dim, MatrixView<const float> angles);

// Of out = f(gate) * up. REQUIRES: f is kSilu, kGeluTanh or kGeluErf. dgate and dup overlap nothing.
void gated_activation_gradient(Activation f, MatrixView<const float> gate, MatrixView<const float> up,
                               MatrixView<const float> dout, MatrixView<float> dgate, MatrixView<float> dup,
                               ThreadPool& pool);

}  // namespace assay
