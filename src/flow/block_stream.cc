#include "flow/block_stream.h"

#include <optional>
#include <utility>

#include "base/interrupt.h"
#include "quant/llm/hessian.h"

namespace assay {

std::span<const Slot> slots_of(BlockStage stage) {
  static constexpr Slot kAttentionInput[] = {Slot::kQ, Slot::kK, Slot::kV, Slot::kQkv};
  static constexpr Slot kAttentionOutput[] = {Slot::kO};
  static constexpr Slot kMlpInput[] = {Slot::kGate, Slot::kUp, Slot::kGateUp};
  static constexpr Slot kMlpOutput[] = {Slot::kDown};
  switch (stage) {
    case BlockStage::kAttentionInput:
      return kAttentionInput;
    case BlockStage::kAttentionOutput:
      return kAttentionOutput;
    case BlockStage::kMlpInput:
      return kMlpInput;
    case BlockStage::kMlpOutput:
      return kMlpOutput;
  }
  return {};
}

void run_stage(Forward& forward, BlockStage stage, std::int64_t layer,
               std::span<const SequenceRows> sequences, BlockState& state) {
  switch (stage) {
    case BlockStage::kAttentionInput:
      return forward.begin_block(layer, state);
    case BlockStage::kAttentionOutput:
      return forward.attend(layer, sequences, state);
    case BlockStage::kMlpInput:
      return forward.project(layer, state);
    case BlockStage::kMlpOutput:
      return forward.expand(layer, state);
  }
}

Result<BlockStream> BlockStream::create(Forward& forward, const CalibrationSet& set, Reads reads) {
  BlockStream stream(forward);
  for (SequenceChunk& chunk : cut_chunks(set.sequences, reads, kTokensOfBlockPass)) {
    ASSAY_TRY(Matrix<float> hidden, forward.embed(chunk.tokens, chunk.sequences));
    stream.chunks_.push_back({std::move(chunk), std::move(hidden)});
  }
  if (stream.chunks_.empty()) return Error{ErrorCode::kInvalidArgument, "there are no tokens to read"};
  return stream;
}

Result<StageHessians> BlockStream::hessians(std::int64_t layer, ThreadPool& pool) {
  std::array<std::optional<GramAccumulator>, kNumBlockStages> grams;
  for (const auto& chunk : chunks_) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    BlockState state{chunk.hidden, {}};
    for (std::size_t stage = 0; stage < kNumBlockStages; ++stage) {
      run_stage(*forward_, static_cast<BlockStage>(stage), layer, chunk.sequences, state);
      if (!grams[stage]) grams[stage].emplace(state.inputs.cols());
      grams[stage]->add(state.inputs.view(), pool);
    }
  }
  StageHessians hessians;
  for (std::size_t stage = 0; stage < kNumBlockStages; ++stage) {
    ASSAY_TRY(hessians[stage], grams[stage]->hessian());
  }
  return hessians;
}

Matrix<float> BlockStream::behind_block(std::int64_t layer, const Chunk& chunk, Matrix<float> hidden) {
  BlockState state{std::move(hidden), {}};
  for (std::size_t stage = 0; stage < kNumBlockStages; ++stage)
    run_stage(*forward_, static_cast<BlockStage>(stage), layer, chunk.sequences, state);
  forward_->finish_block(layer, state);
  return std::move(state.hidden);
}

Status BlockStream::pass(std::int64_t layer) {
  for (auto& chunk : chunks_) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    chunk.hidden = behind_block(layer, chunk, std::move(chunk.hidden));
  }
  return {};
}

}  // namespace assay
