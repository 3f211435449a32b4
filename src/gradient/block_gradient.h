// Forward pass with kept activations and backward pass of one transformer block of the Llama kind.
#pragma once
#include <array>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/forward.h"
#include "engine/model.h"
#include "gradient/products.h"
#include "kernels/kernels.h"
#include "tensor/matrix.h"

namespace assay {

// What a block multiplies with, as floats: weights, or gradients with respect to them. Slots that the block
// does not have are empty. Biases are constants of the model and have no gradient.
struct BlockParameters {
  std::array<Matrix<float>, kNumSlots> linears;  // [outputs, inputs], in the layer's own order of inputs
  std::array<std::vector<float>, kNumNormSlots> norms;  // as they multiply

  Matrix<float>& at(Slot slot) { return linears[static_cast<std::size_t>(slot)]; }
  const Matrix<float>& at(Slot slot) const { return linears[static_cast<std::size_t>(slot)]; }
  std::vector<float>& at(NormSlot slot) { return norms[static_cast<std::size_t>(slot)]; }
  const std::vector<float>& at(NormSlot slot) const { return norms[static_cast<std::size_t>(slot)]; }
};

// The weights of a block as the engine computes with them, whatever they are stored as.
BlockParameters block_parameters(const Block& block, const KernelContext& kernels);
// The same shapes, all zero.
BlockParameters zeros_like(const BlockParameters& parameters);

// What a forward pass keeps for the backward pass, T rows each. Reused from call to call, since fresh memory
// is slow.
struct BlockTape {
  Matrix<float> attention_input;        // the normed hidden state
  Matrix<float> raw_queries, raw_keys;  // before their norms; empty where there are none
  Matrix<float> queries, keys, values;  // as attention reads them
  Matrix<float> attended;
  Matrix<float> projected;  // before the norm after attention; empty where there is none
  Matrix<float> middle;     // the residual stream between attention and MLP
  Matrix<float> mlp_input;
  Matrix<float> gate, up, expanded;
  Matrix<float> contracted;  // before the norm after the MLP; empty where there is none
};

// Borrows the model's configuration and biases. Holds scratch memory, so one instance serves one thread at a
// time.
class BlockGradient {
 public:
  // Errors: kUnsupported, naming what this block has that no gradient is written for: LayerNorm, norms after
  // the residual additions, parallel residuals, fused projections, MLPs without a gate.
  static Result<BlockGradient> create(const LanguageModel& model, std::int64_t layer,
                                      const KernelContext& kernels);

  // y = block(x) for whole sequences (without caches) whose rows tile x. Equals engine's Forward to the
  // rounding of `factors` in the products with weights. y may be x, which the caller keeps if it wants to go
  // backward.
  void forward(const BlockParameters& weights, MatrixView<const float> x,
               std::span<const SequenceRows> sequences, Factors factors, BlockTape& tape,
               MatrixView<float> y);

  // x, sequences and tape as in forward(); dy is the gradient of a scalar loss with respect to y. dx is
  // written, `gradients` (as zeros_like) added to. dx may be dy. Determinism: the same bits for any number of
  // threads. Numerics: docs/numerics.md#gradients.
  void backward(const BlockParameters& weights, MatrixView<const float> x,
                std::span<const SequenceRows> sequences, const BlockTape& tape, MatrixView<const float> dy,
                BlockParameters& gradients, MatrixView<float> dx);

 private:
  BlockGradient(const LanguageModel& model, std::int64_t layer, const KernelContext& kernels);
  struct SlotOutput {
    Slot slot;
    MatrixView<float> values;
  };
  void apply(std::span<const SlotOutput> outputs, const BlockParameters& weights, MatrixView<const float> x,
             Factors factors);
  void go_back(std::span<const SlotOutput> douts, const BlockParameters& weights, MatrixView<const float> x,
               BlockParameters& gradients, MatrixView<float> dx);
  void normalize(const std::vector<float>& weight, MatrixView<const float> x, MatrixView<float> y);
  void turn(std::span<const SequenceRows> sequences, MatrixView<float> heads, bool back);
  void mlp_backward(const BlockParameters& weights, const BlockTape& tape, MatrixView<const float> dy,
                    BlockParameters& gradients);
  void attention_backward(const BlockParameters& weights, std::span<const SequenceRows> sequences,
                          const BlockTape& tape, BlockParameters& gradients);
  void heads_backward(NormSlot slot, const BlockParameters& weights, std::span<const SequenceRows> sequences,
                      const Matrix<float>& raw, Matrix<float>& dheads, BlockParameters& gradients);
  AttentionShape attention_shape() const;

  const LanguageModel* model_;
  std::int64_t layer_;
  KernelContext kernels_;
  Matrix<float> angles_;  // of the sequence turned last: most are equally long
  // Gradients of the tape's members of these names, and of the residual stream.
  struct Scratch {
    Matrix<float> middle, branch, input, gate, up, expanded, attended, queries, keys, values;
  } d_;
};

}  // namespace assay
