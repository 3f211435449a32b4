// The loss of distillation (arXiv:1503.02531, temperature 1): how far a student's next-token distributions
// are from a teacher's, and its gradient through the output head.
#pragma once
#include "kernels/kernels.h"
#include "tensor/matrix.h"

namespace assay {

// The output head of both, whose weights are constants. logits = softcap * tanh(head x / softcap), or head x
// where softcap is 0.
struct DistillationHead {
  MatrixView<const float> weight;  // (vocabulary, D)
  float softcap = 0;
};

// Returns the sum over rows of KL(teacher || student) in nats, of logits made from the normed hidden states
// (T, D) of both. Where dstudent is not empty (T, D), it is set to `factor` times the gradient of that sum
// with respect to `student`. Logits of 256 rows exist at a time. Determinism: the same bits for any number of
// threads. Numerics: docs/numerics.md#gradients. REQUIRES: OpenBLAS is set to one thread.
double distillation_loss(const DistillationHead& head, MatrixView<const float> teacher,
                         MatrixView<const float> student, float factor, MatrixView<float> dstudent,
                         const KernelContext& kernels);

}  // namespace assay
