// Training after quantization: block-wise reconstruction of one block after the other, then distillation of
// the whole model.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "base/progress.h"
#include "flow/distill_model.h"
#include "flow/reconstruct_block.h"

namespace assay {

struct TuneOptions {
  std::optional<ReconstructOptions> blocks = ReconstructOptions{};  // nothing: blocks stay as they are
  std::optional<DistillOptions> model = DistillOptions{};           // nothing: no distillation
};

// kUnsupported, with the reason, where the model's family has no gradients: what tune_llm would say at the
// end of all that comes before it.
Status check_trainable(const LanguageModel& model, const KernelContext& kernels);

// The same, and kResourceLimit where training takes more than `memory_bytes`; nothing: that is not known.
Status check_trainable_within(const LanguageModel& model, std::optional<std::uint64_t> memory_bytes,
                              const KernelContext& kernels);

struct TuneReport {
  std::vector<ReconstructReport> blocks;  // of this call; resumed ones are missing
  std::int64_t resumed_blocks = 0;
  std::optional<DistillReport> model;
  double seconds = 0;
};

// Trains `quantized`, every linear of whose blocks is quantized, towards `original` in place; bits, group
// sizes and column orders stay, so it can be written as it was. `folder` exists and keeps what is finished,
// after every block and every so many steps: the same call with the same models, data and options goes on
// from it; the caller sees to it that they are the same, and removes the folder in the end. The result does
// not depend on the number of threads. Errors: kUnsupported (a family without gradients:
// gradient/block_gradient.h), kInvalidArgument (too little calibration data), kIo, kCorrupt (what is in
// `folder`), kInterrupted.
Result<TuneReport> tune_llm(const LanguageModel& original, LanguageModel& quantized,
                            const CalibrationSet& calibration, const TuneOptions& options,
                            const std::filesystem::path& folder, const KernelContext& kernels,
                            Progress& progress);

}  // namespace assay
