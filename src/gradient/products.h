// The three matrix products of a linear layer and its gradients, in float32 through OpenBLAS or in pieces of
// bfloat16.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "kernels/kernels.h"
#include "tensor/matrix.h"

namespace assay {

enum class Accumulate : bool { kNo, kYes };

// How exact the factors of a product must be.
enum class Factors : bool {
  kFloat,  // to about 2^-16
  kBrain,  // may be rounded to bfloat16, to 2^-8, where that is faster: enough where an optimizer averages
           // over many steps
};

class PackedFactor;  // gradient/packed_factor.h

// out = op(left) op(right), or added to what `out` holds.
struct Product {
  struct Factor {
    MatrixView<const float> values;
    bool transposed = false;
    const PackedFactor* packed =
        nullptr;  // this factor, where multiply() would pack it: for what stays the same
  };
  Factor left, right;
  std::int64_t depth;  // terms of each sum
  MatrixView<float> out;
  Accumulate accumulate;
  Factors factors;
};

// Of a layer y = x W^T with x (T, K), W (N, K), y (T, N). Gradients have factors kBrain. REQUIRES: shapes
// agree.
Product forward_product(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y,
                        Accumulate accumulate, Factors factors);  // y = x W^T
Product input_product(MatrixView<const float> dy, MatrixView<const float> w, MatrixView<float> dx,
                      Accumulate accumulate);  // dx = dy W
Product weight_product(MatrixView<const float> dy, MatrixView<const float> x, MatrixView<float> dw,
                       Accumulate accumulate);  // dW = dy^T x

// Computes all of them at once, so that threads need not meet after each: none may read what another writes,
// but products that follow one another in the list and have the same output are added in that order.
// Aliasing: outputs overlap neither inputs nor other outputs. Sizes may be 0. Numerics: each output is within
// (terms * 2^-24 + e) sum |products| of the exact value, with e = 0 where the table has no fast products of
// bfloat16; else, with up to three times the terms, e = 2^-14 for kFloat and 1.01 * 2^-7 for kBrain
// (docs/numerics.md#gradients). Determinism: an output is split into tiles that depend on its shape alone,
// each computed by one thread, so the bits depend on the table and on the core that OpenBLAS chose its
// kernels for, but not on the number of threads. REQUIRES: OpenBLAS is set to one thread (quant/llm/blas.h);
// all have the same `factors`.
void multiply(std::span<const Product> products, const KernelContext& kernels);

// The right factor of such a product packed once for many of them, which must have the same values; null
// where multiply() packs nothing.
std::unique_ptr<PackedFactor> packed_right_factor(const Product& product, const KernelContext& kernels);

}  // namespace assay
