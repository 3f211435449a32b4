// Makes a float model easier to quantize, without a change of what it computes (engine/fold.h).
#pragma once
#include <cstdint>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "engine/model.h"
#include "flow/calibration.h"
#include "kernels/kernels.h"
#include "quant/llm/gptq.h"

namespace assay {

// What was done to a block. Errors are sums of LayerError::output of the matrices that a fold touches.
struct BlockFolds {
  double attention_exponent = 0;  // inputs of q, k, v were scaled by H_ii^(exponent / 2); 0: not
  double mlp_exponent = 0;        // the same of gate and up
  double channel_exponent = 0;    // and of down
  bool values_rotated = false;
  bool channels_permuted = false;            // by falling H_ii of down
  double error_before = 0, error_after = 0;  // of all matrices of the block together
};

// Block by block, on the second moments H of the float model's inputs: tries each fold, judges it by GPTQ
// with the options given, and keeps it where it lowers the error of the outputs of the matrices that it
// touches. Scales are those of AWQ (arXiv:2306.00978) with exponents 1/4 and 1/2. Folds for which a family
// has no place are left out. Afterwards the matrices of the blocks are float32 in memory. The result does not
// depend on the number of threads. Errors: kUnsupported for a model that is quantized already, those of the
// solver, kInterrupted.
Result<std::vector<BlockFolds>> fold_weights(LanguageModel& model, const CalibrationSet& calibration,
                                             const GptqOptions& gptq, const KernelContext& kernels,
                                             Progress& progress);

}  // namespace assay
