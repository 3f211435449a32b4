// What the tests of gradients share: a block in double precision, written from the formulas alone, and
// derivatives of it by central differences.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "gradient/block_gradient.h"
#include "kernels/kernel_table.h"

namespace assay {

inline constexpr std::uint64_t kGradientSeed = 11;

Matrix<float> normal_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed, float scale = 1.0f);

// The fastest table here, with products in float32 (0), or in the reference's blocks of bfloat16 where at
// most so many terms are needed (1: gradients alone, 3: all).
KernelTable table_with_products(int cheap_brain_terms);

// d f / d value at its present value, f being smooth: (f(+h) - f(-h)) / 2h with h = 2^-17 max(1, |value|), in
// double, which errs by about h^2 relatively (2^-34) plus rounding of f over h (2^-36 |f|).
double central_difference(double& value, const std::function<double()>& f);

// The arguments of a scalar function as doubles.
using DoubleMatrix = std::vector<std::vector<double>>;
DoubleMatrix to_double(const Matrix<float>& matrix);

// softmax(mask(softcap(scale Q K^T))) V of one whole sequence.
DoubleMatrix reference_attention(const AttentionShape& shape, const DoubleMatrix& q, const DoubleMatrix& k,
                                 const DoubleMatrix& v);

double reference_activation(Activation f, double x);

// A block whose weights are doubles.
struct ReferenceBlock {
  ReferenceBlock(const LanguageModel& language_model, std::int64_t block_layer,
                 const BlockParameters& parameters);
  DoubleMatrix forward(const DoubleMatrix& x, std::span<const SequenceRows> sequences) const;

  const LanguageModel* model;
  std::int64_t layer;
  std::array<DoubleMatrix, kNumSlots> linears;
  std::array<std::vector<double>, kNumNormSlots> norms;

 private:
  DoubleMatrix apply(Slot slot, const DoubleMatrix& x) const;
  DoubleMatrix normalize(NormSlot slot, const DoubleMatrix& x, std::size_t dim) const;
  void rotate(DoubleMatrix& heads, std::span<const SequenceRows> sequences) const;
};

// sum of weights * values.
double weighted_sum(const Matrix<float>& weights, const DoubleMatrix& values);

}  // namespace assay
