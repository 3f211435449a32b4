// The loss of distillation (arXiv:1503.02531, temperature 1): how far a student's next-token distributions
// are from a teacher's, and its gradient through the output head.
#pragma once
#include <memory>

#include "gradient/packed_factor.h"
#include "gradient/products.h"
#include "kernels/kernels.h"
#include "tensor/matrix.h"

namespace assay {

// The output head of both, whose weights are constants. logits = softcap * tanh(head x / softcap), or head x
// where softcap is 0.
struct DistillationHead {
  MatrixView<const float> weight;  // (vocabulary, D)
  float softcap = 0;
};

class DistillationLoss {
 public:
  // Borrows the head's weight.
  DistillationLoss(const DistillationHead& head, const KernelContext& kernels);

  // Returns the sum over rows of KL(teacher || student) in nats, of logits made with `factors` from the
  // normed hidden states (T, D) of both. Where dstudent is not empty (T, D), it is set to `scale` times the
  // gradient of that sum with respect to `student`. Logits of 512 rows exist at a time, in memory that is
  // kept. Determinism: the same bits for any number of threads. Numerics: docs/numerics.md#gradients.
  // REQUIRES: OpenBLAS is set to one thread.
  double compute(MatrixView<const float> teacher, MatrixView<const float> student, Factors factors,
                 float scale, MatrixView<float> dstudent);

 private:
  DistillationHead head_;
  KernelContext kernels_;
  // The head as the right factor of logits, by their factors, and of their gradient; null where products do
  // not pack it.
  std::unique_ptr<PackedFactor> float_head_, brain_head_, gradient_head_;
  Matrix<float> teacher_logits_, student_logits_;
};

}  // namespace assay
