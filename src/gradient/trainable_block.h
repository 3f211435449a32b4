// A quantized block in training: what is trained, the weights that follow from it, their gradients and the
// optimizer.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "gradient/adam.h"
#include "gradient/block_gradient.h"
#include "gradient/fake_quant.h"

namespace assay {

// Step sizes of Adam: of the scale for latent weights, of its start for scales and norms, of one code for
// zero points. 0: not trained.
struct TrainingRates {
  float latent = 0;
  float scale = 0;
  float zero = 0;
  float norm = 0;

  // With a rate of 0 for latent weights codes stay as they are.
  bool trains_codes() const { return latent > 0; }
  TrainingRates times(float factor) const {
    return {latent * factor, scale * factor, zero * factor, norm * factor};
  }
};

// Everything that changes while a block trains: to save and restore.
struct TrainingState {
  struct Layer {
    QuantParameters parameters;
    AdamState latent, scales, zeros;
  };
  struct Norm {
    std::vector<float> factors;  // weight / start weight
    AdamState adam;
  };
  std::vector<Layer> layers;  // in the order of the slots that the block has
  std::vector<Norm> norms;
};

// Not thread safe.
class TrainableBlock {
 public:
  // Starts from block `layer` of `quantized`, whose every linear is quantized (biases and configuration are
  // borrowed from it); weights to start from are those of `original`. Errors: those of BlockGradient;
  // kInvalidArgument for a linear that is not quantized.
  static Result<TrainableBlock> create(const LanguageModel& original, const LanguageModel& quantized,
                                       std::int64_t layer, LatentStart latent_start,
                                       const KernelContext& kernels);

  void forward(MatrixView<const float> x, std::span<const SequenceRows> sequences, Factors factors,
               BlockTape& tape, MatrixView<float> y);
  // Adds to the gradients that step() uses up. As BlockGradient::backward.
  void backward(MatrixView<const float> x, std::span<const SequenceRows> sequences, const BlockTape& tape,
                MatrixView<const float> dy, MatrixView<float> dx);
  // One step of Adam, the step-th counted from 1, after which forward() sees the new weights.
  void step(const TrainingRates& rates, std::int64_t step);

  // Writes what is trained now into `block`: the matrices that forward() multiplies with, bit for bit, and
  // the norms.
  void export_to(Block& block) const;

  TrainingState& state() { return state_; }
  // To be called after state() was changed.
  void refresh();

 private:
  TrainableBlock(BlockGradient gradient, const KernelContext& kernels);
  void step_layer(std::size_t i, const TrainingRates& rates, std::int64_t step);
  void refresh_norms();

  BlockGradient gradient_;
  KernelContext kernels_;
  std::vector<std::size_t> slots_, norm_slots_;
  std::vector<FakeQuant> quants_;  // one per slot of slots_
  std::vector<std::vector<std::int32_t>> orders_;
  std::vector<std::vector<float>> start_norms_;  // one per slot of norm_slots_
  TrainingState state_;
  BlockParameters weights_, dweights_;
};

}  // namespace assay
