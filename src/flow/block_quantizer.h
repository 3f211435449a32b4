// Quantizes the linear layers of one block after the other on calibration data, carrying the activations along.
#pragma once
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "engine/forward.h"
#include "flow/activation_store.h"
#include "flow/quantize_llm.h"
#include "quant/llm/hessian.h"

namespace assay {

// Holds the activations that enter the next block. Not thread safe.
class BlockQuantizer {
 public:
  // Embeds the calibration set. `folder` takes activations that exceed the memory allowed.
  static Result<BlockQuantizer> create(LanguageModel& model, const CalibrationSet& calibration, const LlmQuantizeOptions& options,
                                       const KernelContext& kernels, const std::filesystem::path& folder);

  // Quantizes every linear of block `layer` in the model and moves the activations behind the block. Blocks are visited in
  // order. Errors: kInterrupted, and those of the solver with the layer's name.
  Result<std::vector<LayerReport>> quantize(std::int64_t layer, Progress& progress);

  // Moves the activations through a block that is quantized already.
  Status pass_through(std::int64_t layer, Progress& progress);

 private:
  struct Chunk {
    std::vector<SequenceRows> sequences;
    std::int64_t num_rows = 0;
  };
  BlockQuantizer(LanguageModel& model, const LlmQuantizeOptions& options, const KernelContext& kernels, std::vector<Chunk> chunks, ActivationStore store);

  enum class Stage { kAttentionInput, kAttentionOutput, kMlpInput, kMlpOutput };
  void run_stage(Stage stage, std::int64_t layer, const Chunk& chunk, BlockState& state);
  static std::span<const Slot> slots_of(Stage stage);
  Status collect_all_stages(std::int64_t layer, std::vector<GramAccumulator>& grams);
  std::vector<GramAccumulator> make_grams(std::int64_t layer) const;
  Status quantize_stage(Stage stage, std::int64_t layer, const GramAccumulator& gram, std::vector<LayerReport>& reports);
  Result<LayerReport> quantize_linear(Linear& linear, const Matrix<float>& hessian, const HessianFactor* factor);
  void report_progress(std::int64_t layer, std::int64_t step, Progress& progress) const;

  LanguageModel& model_;
  const LlmQuantizeOptions& options_;
  KernelContext kernels_;
  Forward forward_;
  std::vector<Chunk> chunks_;
  ActivationStore store_;
};

// Round to nearest needs no activations: one matrix at a time.
Result<LayerReport> quantize_linear_rtn(Linear& linear, const LlmQuantizeOptions& options, const KernelContext& kernels);

// W as floats, [outputs, inputs]. Errors: kUnsupported when the layer is quantized already.
Result<Matrix<float>> dequantize_dense(const Linear& linear, const KernelContext& kernels);

}  // namespace assay
