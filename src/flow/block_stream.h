// A set of token sequences on its way through a model, block by block, and what the matrices of a block read
// of it.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/forward.h"
#include "flow/calibration.h"
#include "flow/sequence_chunks.h"
#include "tensor/matrix.h"

namespace assay {

// Tokens computed at once: enough to amortize unpacking weights, few enough that the buffers of a stage stay
// small.
inline constexpr std::int64_t kTokensOfBlockPass = 2048;

// The stages of a block: matrices of one stage read the same input.
inline constexpr std::size_t kNumBlockStages = 4;
enum class BlockStage : std::uint8_t { kAttentionInput, kAttentionOutput, kMlpInput, kMlpOutput };
std::span<const Slot> slots_of(BlockStage stage);
// Computes what the layers of `stage` read. Stages are run in order.
void run_stage(Forward& forward, BlockStage stage, std::int64_t layer,
               std::span<const SequenceRows> sequences, BlockState& state);

// H (hessian.h) of the inputs of each stage.
using StageHessians = std::array<Matrix<float>, kNumBlockStages>;

// Borrows the Forward, through whose model the sequences go as it is at the time. Keeps the residual stream
// of all of them in memory. Not thread safe.
class BlockStream {
 public:
  struct Chunk : SequenceChunk {
    Matrix<float> hidden;  // (tokens, hidden_size): the residual stream before the next block
  };

  // Embeds the sequences; those with nothing to read are left out. Errors: kInvalidArgument where nothing is
  // left, and those of Forward::embed.
  static Result<BlockStream> create(Forward& forward, const CalibrationSet& set, Reads reads);

  const std::vector<Chunk>& chunks() const { return chunks_; }
  // Of block `layer`, which the stream stands before. Errors: kInterrupted.
  Result<StageHessians> hessians(std::int64_t layer, ThreadPool& pool);
  // Moves the stream behind block `layer`. Errors: kInterrupted.
  Status pass(std::int64_t layer);
  // The residual stream of a chunk behind block `layer`, before which it is `hidden`.
  Matrix<float> behind_block(std::int64_t layer, const Chunk& chunk, Matrix<float> hidden);

 private:
  explicit BlockStream(Forward& forward) : forward_(&forward) {}

  Forward* forward_;
  std::vector<Chunk> chunks_;
};

}  // namespace assay
