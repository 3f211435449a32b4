// The gradient of causal attention, by blocks of queries, so that memory does not grow with the square of the
// length.
#pragma once
#include <span>

#include "kernels/kernels.h"
#include "tensor/matrix.h"

namespace assay {

// One whole sequence: queries, keys and values of the same rows, and the gradients of a scalar loss. dout is
// given, the others are written. dqueries may not overlap anything.
struct AttentionGradientTask {
  MatrixView<const float> queries;  // (T, num_heads * head_dim)
  MatrixView<const float> keys;     // (T, num_kv_heads * head_dim)
  MatrixView<const float> values;
  MatrixView<const float> dout;  // (T, num_heads * head_dim)
  MatrixView<float> dqueries, dkeys, dvalues;
};

// Of attention() (kernels/kernels.h) with the same shape. The probabilities are computed again, as in
// FlashAttention (arXiv:2205.14135), so nothing but queries, keys and values must be kept. Determinism: the
// same bits for any number of threads. Numerics: docs/numerics.md#gradients. REQUIRES: OpenBLAS is set to one
// thread.
void attention_gradient(const KernelContext& context, const AttentionShape& shape,
                        std::span<const AttentionGradientTask> tasks);

}  // namespace assay
