// Block-wise reconstruction: trains the quantized weights of one block until its output is near the float
// block's, as AutoRound (arXiv:2309.05516) and EfficientQAT's Block-AP (arXiv:2407.11062) do, with Adam and
// straight-through gradients.
#pragma once
#include <cstdint>

#include "base/result.h"
#include "engine/model.h"
#include "flow/training_data.h"
#include "gradient/trainable_block.h"

namespace assay {

struct ReconstructOptions {
  std::int64_t epochs = 2;  // how often each training sequence is seen; 0: nothing is trained
  std::int64_t sequences_per_step = 4;
  TrainingRates rates{.latent = 0.04f, .scale = 0.01f, .zero = 0.0f, .norm = 0.01f};
  std::uint64_t seed = 0;
};

// Errors are means over held-out tokens of |y - target|^2 / |target|^2: relative, since the next norm divides
// by the token's size, and since a few tokens of some models are a thousand times larger than all others.
struct ReconstructReport {
  double start_error = 0;
  double error = 0;  // what the block has now: never more than start_error
  std::int64_t steps = 0;
  double seconds = 0;
};

// The residual streams that enter a block, one row for every token of the data.
struct BlockStreams {
  Matrix<float> original;   // of the float model
  Matrix<float> quantized;  // of the quantized model
};

// Trains block `layer` of `quantized` in place and moves both streams behind it. The block keeps what it was
// given if training makes it worse on held-out tokens. The result does not depend on the number of threads.
// Errors: those of TrainableBlock, kInterrupted.
Result<ReconstructReport> reconstruct_block(const LanguageModel& original, LanguageModel& quantized,
                                            std::int64_t layer, const TrainingData& data,
                                            const ReconstructOptions& options, const KernelContext& kernels,
                                            BlockStreams& streams);

}  // namespace assay
