#include "flow/tune_llm.h"

#include <chrono>
#include <cstdio>
#include <utility>

#include "base/elapsed.h"
#include "flow/pass_block.h"
#include "flow/training_files.h"
#include "gradient/block_gradient.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

fs::path block_path(const fs::path& folder, std::int64_t layer) {
  char name[48];
  std::snprintf(name, sizeof(name), "tuned-%05d.safetensors", static_cast<int>(layer));
  return folder / name;
}

Status tune_blocks(const LanguageModel& original, LanguageModel& quantized, const TrainingData& data,
                   const ReconstructOptions& options, const fs::path& folder, const KernelContext& kernels,
                   Progress& progress, TuneReport& report) {
  BlockStreams streams;
  ASSAY_TRY(streams.original, Forward(original, kernels).embed(data.tokens, data.sequences));
  streams.quantized = streams.original;
  const BatchPass all = pass_of_all(data);
  const std::int64_t layers = quantized.config.num_layers;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const fs::path path = block_path(folder, layer);
    const auto block = static_cast<std::size_t>(layer);
    if (fs::exists(path)) {
      ASSAY_RETURN_IF_ERROR(load_quantized_blocks(path, quantized, block, block + 1));
      ++report.resumed_blocks;
      if (fs::exists(block_path(folder, layers - 1))) continue;  // nobody needs the streams any more
      ASSAY_RETURN_IF_ERROR(pass_block(original, layer, data, {&all, 1}, kernels, streams.original.view()));
      ASSAY_RETURN_IF_ERROR(pass_block(quantized, layer, data, {&all, 1}, kernels, streams.quantized.view()));
    } else {
      ASSAY_TRY(const ReconstructReport row,
                reconstruct_block(original, quantized, layer, data, options, kernels, streams));
      ASSAY_RETURN_IF_ERROR(save_quantized_blocks(path, quantized, block, block + 1));
      report.blocks.push_back(row);
    }
    progress.update("reconstructing blocks", layer + 1, layers);
  }
  return {};
}

}  // namespace

Status check_trainable(const LanguageModel& model, const KernelContext& kernels) {
  for (std::int64_t layer = 0; layer < model.config.num_layers; ++layer) {
    const auto gradient = BlockGradient::create(model, layer, kernels);
    if (!gradient) return gradient.error();
  }
  return check_distillable(model);
}

Status check_trainable_within(const LanguageModel& model, std::optional<std::uint64_t> memory_bytes,
                              const KernelContext& kernels) {
  ASSAY_RETURN_IF_ERROR(check_trainable(model, kernels));
  // Weights, gradients and Adam's means of the blocks (flow/distill_model.h), and the head as floats.
  constexpr std::uint64_t kPerWeight = 24, kPerHeadWeight = 4;
  const auto weights = [](const Linear& linear) {
    return static_cast<std::uint64_t>(linear.weight.rows) * static_cast<std::uint64_t>(linear.weight.cols);
  };
  std::uint64_t bytes = kPerHeadWeight * weights(model.output_head());
  model.for_each_linear([&](const Linear& linear) { bytes += kPerWeight * weights(linear); });
  if (!memory_bytes || bytes <= *memory_bytes) return {};
  char text[96];
  std::snprintf(text, sizeof(text), "training takes about %.0f GB of memory, and here are %.0f",
                static_cast<double>(bytes) / 1e9, static_cast<double>(*memory_bytes) / 1e9);
  return Error{ErrorCode::kResourceLimit, text};
}

Result<TuneReport> tune_llm(const LanguageModel& original, LanguageModel& quantized,
                            const CalibrationSet& calibration, const TuneOptions& options,
                            const fs::path& folder, const KernelContext& kernels, Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  ASSAY_TRY(const TrainingData data, divide_calibration(calibration));
  TuneReport report;
  if (options.blocks)
    ASSAY_RETURN_IF_ERROR(
        tune_blocks(original, quantized, data, *options.blocks, folder, kernels, progress, report));
  if (options.model) {
    ASSAY_TRY(report.model,
              distill_model(original, quantized, data, *options.model, folder, kernels, progress));
  }
  report.seconds = seconds_since(start);
  return report;
}

}  // namespace assay
