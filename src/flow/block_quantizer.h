// Quantizes the linear layers of one block after the other on calibration data, carrying the activations along.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "engine/forward.h"
#include "flow/activation_store.h"
#include "flow/block_stream.h"
#include "flow/quantize_llm.h"
#include "flow/stage_moments.h"

namespace assay {

// Holds the activations that enter the next block. With LlmMethod::kBest a second stream runs beside them, through the float
// blocks: what the first one should be. Not thread safe.
class BlockQuantizer {
 public:
  // Embeds the calibration set. `float_blocks`: the model's blocks before any was quantized; kBest only. `folder` takes
  // activations that exceed the memory allowed.
  static Result<BlockQuantizer> create(LanguageModel& model, std::vector<Block> float_blocks, const CalibrationSet& calibration,
                                       const LlmQuantizeOptions& options, const KernelContext& kernels, const std::filesystem::path& folder);

  // Quantizes every linear of block `layer` in the model and moves the activations behind the block. Blocks are visited in
  // order. Errors: kInterrupted, and those of the solver with the layer's name.
  Result<BlockReport> quantize(std::int64_t layer, Progress& progress);

  // Moves the activations through a block that is quantized already.
  Status pass_through(std::int64_t layer, Progress& progress);

 private:
  struct Chunk : SequenceChunk {
    bool held_out = false;  // judges steps, never solves
  };
  using Stage = BlockStage;
  // Of the sequences that solve and of those held out.
  struct SplitMoments {
    StageMoments solving, held_out;
  };

  BlockQuantizer(LanguageModel& model, std::vector<Block> float_blocks, const LlmQuantizeOptions& options, const KernelContext& kernels,
                 std::vector<Chunk> chunks, ActivationStore store, std::optional<ActivationStore> float_store);

  bool has_float_stream() const { return float_store_.has_value(); }
  // Whether layers are quantized on what the float model's layers read.
  bool inputs_are_float() const { return options_.method == LlmMethod::kBest && !options_.solve_codes; }
  // Calls `run` while the float block stands in the model.
  template <typename Run>
  void with_float_block(std::int64_t layer, Run run);
  // Calls `run` while the block whose activations `store_` carries stands in the model.
  template <typename Run>
  void on_stream(std::int64_t layer, Run run);
  SplitMoments make_moments(Stage stage, std::int64_t layer) const;
  Status collect_all_stages(std::int64_t layer, std::vector<SplitMoments>& moments);
  // By how much the error of each row of `reference`, which stands at `stage`, counts; empty: all alike.
  std::vector<float> row_weights(Stage stage, std::int64_t layer, const BlockState& reference);
  // Moves every chunk to `stage` and adds what the stage's layers read.
  Status collect_stage(Stage stage, std::int64_t layer, SplitMoments& moments);
  // Moves every chunk behind the block. The error of what leaves it, where there is a float stream.
  Result<std::optional<double>> finish_block(std::int64_t layer);
  Status quantize_stage(Stage stage, std::int64_t layer, const SplitMoments& moments, std::vector<LayerReport>& reports);
  Result<LayerReport> quantize_linear(Linear& linear, const LayerMoments& moments, const LayerMoments* held_out, const HessianFactor* factor);
  void report_progress(std::int64_t layer, std::int64_t step, Progress& progress) const;

  LanguageModel& model_;
  std::vector<Block> float_blocks_;
  const LlmQuantizeOptions& options_;
  KernelContext kernels_;
  Forward forward_;
  std::vector<Chunk> chunks_;
  ActivationStore store_;
  std::optional<ActivationStore> float_store_;
};

// Round to nearest needs no activations: one matrix at a time.
Result<LayerReport> quantize_linear_rtn(Linear& linear, const LlmQuantizeOptions& options, const KernelContext& kernels);

// W as floats, [outputs, inputs]. Errors: kUnsupported when the layer is quantized already.
Result<Matrix<float>> dequantize_dense(const Linear& linear, const KernelContext& kernels);

}  // namespace assay
