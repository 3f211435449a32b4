// End-to-end distillation of a quantized model: trains all that decides its weights until its next-token
// distributions are near the float model's, as quantization-aware distillation (LLM-QAT, arXiv:2305.17888)
// and EfficientQAT's second stage (arXiv:2407.11062) do.
#pragma once
#include <cstdint>
#include <filesystem>

#include "base/progress.h"
#include "base/result.h"
#include "engine/model.h"
#include "flow/training_data.h"
#include "gradient/trainable_block.h"

namespace assay {

struct DistillOptions {
  std::int64_t epochs = 1;
  std::int64_t sequences_per_step = 2;
  std::int64_t rows_at_once = 1024;  // of a step that are computed together
  std::uint64_t activation_memory_bytes =
      std::uint64_t{4} << 30;  // what blocks keep for the backward pass; beyond it they compute it again
  std::int64_t steps_between_saves = 50;
  TrainingRates rates{.latent = 0.0035f, .scale = 0.001f, .zero = 0.0f, .norm = 0.0002f};
  std::uint64_t seed = 0;
};

// KL(float || quantized) in nats per held-out token.
struct DistillReport {
  double start_kl = 0;
  double kl = 0;  // what the model has now: never more than start_kl
  std::int64_t steps = 0;
  std::int64_t resumed_steps = 0;
  double seconds = 0;
};

// kUnsupported where what stands around the blocks has no gradients.
Status check_distillable(const LanguageModel& model);

// Trains `quantized` in place: blocks and final norm; embedding and head stay. After each epoch the model
// takes over what is trained if it is the best so far on held-out sequences. The state of training is kept in
// `folder` (which exists), from where the same call with the same model, data and options goes on. The result
// does not depend on the number of threads, or on interruptions. Memory: about 24 bytes per weight of the
// blocks. Errors: those of TrainableBlock, kUnsupported (a final LayerNorm, an output projection), kIo,
// kCorrupt (the state), kInterrupted.
Result<DistillReport> distill_model(const LanguageModel& original, LanguageModel& quantized,
                                    const TrainingData& data, const DistillOptions& options,
                                    const std::filesystem::path& folder, const KernelContext& kernels,
                                    Progress& progress);

}  // namespace assay
