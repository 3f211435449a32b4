// The forward pass of every family, whole or in the stages between which a quantizer looks at the inputs of the
// linear layers.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/model.h"
#include "engine/operation_recorder.h"
#include "kernels/kernels.h"
#include "tensor/matrix.h"

namespace assay {

// Keys and values of one running sequence, per layer: floats, or IEEE halves where the inputs of layers are rounded
// anyway. Grows as needed up to the model's longest context.
class KvCache {
 public:
  KvCache(const ModelConfig& config, Activations activations);
  std::int64_t length() const { return length_; }
  void clear() { length_ = 0; }

 private:
  friend class Forward;
  void reserve(std::int64_t positions);
  // (capacity, kv_dim), one of them.
  struct Rows {
    Matrix<float> floats;
    Matrix<Float16> halves;
  };
  struct Layer {
    Rows keys;
    Rows values;
  };
  // Writes `values` behind what `rows` holds, and gives all of it.
  KvView append(const KernelContext& kernels, MatrixView<const float> values, Rows& rows) const;
  std::vector<Layer> layers_;
  bool holds_halves_ = false;
  std::int64_t kv_dim_ = 0;
  std::int64_t capacity_ = 0;
  std::int64_t length_ = 0;
};

// A run of consecutive rows of a batch that belong to one sequence. Without a cache the sequence starts at position 0
// and is whole; with one it continues after cache->length() positions.
struct SequenceRows {
  std::int64_t first_row = 0;
  std::int64_t num_rows = 0;
  KvCache* cache = nullptr;
};

// What lies between two stages of a block, for some rows of a batch.
struct BlockState {
  Matrix<float> hidden;  // (T, hidden_size): the residual stream
  Matrix<float> inputs;  // (T, n): the input of the linear layers of the next stage
};

// Runs a model. Borrows model, kernels and, where there is one, the recorder, to which it tells what each
// operation took; holds buffers, so one Forward serves one thread at a time.
class Forward {
 public:
  Forward(const LanguageModel& model, const KernelContext& kernels, OperationRecorder* recorder = nullptr);

  // The stages of block `layer`, to be called in this order on the same state. After each, state.inputs is what the
  // named layers will read:
  //   begin_block -> Q, K, V (or QKV);   attend -> O;   project -> Gate, Up (or GateUp);   expand -> Down;   finish_block.
  void begin_block(std::int64_t layer, BlockState& state);
  void attend(std::int64_t layer, std::span<const SequenceRows> sequences, BlockState& state);
  void project(std::int64_t layer, BlockState& state);
  void expand(std::int64_t layer, BlockState& state);
  void finish_block(std::int64_t layer, BlockState& state);

  // Rows of the embedding (and learned positions). Errors: kInvalidArgument for an id outside of the vocabulary, a
  // sequence longer than the model's context; rows of `sequences` must tile the tokens.
  Result<Matrix<float>> embed(std::span<const std::int32_t> tokens, std::span<const SequenceRows> sequences);

  // embed and all blocks: the residual stream before the final norm, (T, hidden_size). Caches grow by their rows.
  Result<Matrix<float>> hidden_states(std::span<const std::int32_t> tokens, std::span<const SequenceRows> sequences);
  // These rows of it, (rows, hidden_size), in the same bits, without what the last block computes for others alone. REQUIRES: rows within [0, T), at least one.
  Result<Matrix<float>> hidden_rows(std::span<const std::int32_t> tokens, std::span<const SequenceRows> sequences, std::span<const std::int64_t> rows);

  // Final norm, head and final soft-cap: (rows, vocab_size). `out` does not overlap `hidden`.
  Matrix<float> logits(MatrixView<const float> hidden);
  void logits(MatrixView<const float> hidden, MatrixView<float> out);

  // The logits of the last of `tokens`, which continue `cache`: generation and prompt processing. REQUIRES: tokens not empty.
  Result<Matrix<float>> next_logits(std::span<const std::int32_t> tokens, KvCache& cache);

 private:
  // rows: which the last block computes after its attention; empty: all.
  Result<Matrix<float>> run_blocks(std::span<const std::int32_t> tokens, std::span<const SequenceRows> sequences, std::span<const std::int64_t> rows);
  struct Output {
    const Linear& layer;
    MatrixView<float> y;
  };
  // y = layer(x) for layers of the same input.
  void apply(Operation operation, std::initializer_list<Output> outputs, MatrixView<const float> x);
  void apply(Operation operation, const Linear& layer, MatrixView<const float> x, MatrixView<float> y) {
    apply(operation, {{layer, y}}, x);
  }
  void normalize(const NormWeights& norm, MatrixView<const float> x, MatrixView<float> y);
  void normalize_heads(const NormWeights& norm, MatrixView<float> heads);
  void compute_qkv(const Block& block, MatrixView<const float> x, Matrix<float>& q, Matrix<float>& k, Matrix<float>& v);
  void split_qkv(MatrixView<const float> fused, Matrix<float>& q, Matrix<float>& k, Matrix<float>& v) const;
  void add(MatrixView<const float> x, MatrixView<float> y);
  void rotate(std::int64_t layer, std::span<const SequenceRows> sequences, Matrix<float>& q,
              Matrix<float>& k);

  const LanguageModel& model_;
  KernelContext kernels_;
  OperationRecorder* recorder_;
};

}  // namespace assay
