// A float residual stream of training data, moved through one block.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/model.h"
#include "flow/training_data.h"
#include "gradient/block_gradient.h"

namespace assay {

// Of batches that no step depends on.
inline constexpr std::int64_t kRowsOfPass = 2048;

// Batches that are computed alike.
struct BatchPass {
  std::vector<TrainingBatch> batches;
  Factors factors = Factors::kFloat;
};

// Moves the rows of the batches' sequences in `stream`, a row for every token of the data, through block
// `layer` of `model`. Errors: those of BlockGradient::create, kInterrupted.
Status pass_block(const LanguageModel& model, std::int64_t layer, const TrainingData& data,
                  std::span<const BatchPass> passes, const KernelContext& kernels, MatrixView<float> stream);

// Every sequence, exactly.
BatchPass pass_of_all(const TrainingData& data);

}  // namespace assay
