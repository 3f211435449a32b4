#include "engine/forward.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/check.h"
#include "engine/rope.h"

namespace assay {

namespace {

// Keys and values that one pass over each task reads, and the products with them.
void count_attention(OperationScope& scope, const AttentionShape& shape,
                     std::span<const AttentionTask> tasks) {
  std::uint64_t bytes = 0, pairs = 0;
  for (const auto& task : tasks) {
    const std::int64_t first = task.keys.rows() - task.queries.rows;
    const std::int64_t window = shape.window > 0 ? shape.window : task.keys.rows();
    for (std::int64_t i = 0; i < task.queries.rows; ++i)
      pairs += static_cast<std::uint64_t>(std::min(first + i + 1, window));
    const std::int64_t seen = task.keys.rows() - std::max<std::int64_t>(0, first + 1 - window);
    for (const KvView* view : {&task.keys, &task.values})
      bytes += static_cast<std::uint64_t>(seen * view->cols() * view->value_bytes());
  }
  scope.count(0, bytes, 2 * pairs * static_cast<std::uint64_t>(shape.num_heads * shape.head_dim));
}

template <typename T>
void grow(std::int64_t rows, std::int64_t cols, std::int64_t kept_rows, Matrix<T>& matrix) {
  auto grown = Matrix<T>::unset(rows, cols);
  std::copy_n(matrix.data(), kept_rows * cols, grown.data());
  matrix = std::move(grown);
}

Matrix<float> rows_of(const Matrix<float>& matrix, std::span<const std::int64_t> rows) {
  auto out = Matrix<float>::unset(static_cast<std::int64_t>(rows.size()), matrix.cols());
  for (std::int64_t i = 0; i < out.rows(); ++i) std::copy_n(matrix.row(rows[static_cast<std::size_t>(i)]), matrix.cols(), out.row(i));
  return out;
}

}  // namespace

KvCache::KvCache(const ModelConfig& config, Activations activations)
    : layers_(static_cast<std::size_t>(config.num_layers)),
      holds_halves_(activations == Activations::kRounded),
      kv_dim_(config.kv_dim()) {}

void KvCache::reserve(std::int64_t positions) {
  if (capacity_ >= positions) return;
  // Doubling keeps the copying linear in the final length.
  capacity_ = std::max<std::int64_t>({positions, 2 * capacity_, 64});
  for (auto& layer : layers_) {
    for (Rows* rows : {&layer.keys, &layer.values}) {
      if (holds_halves_) {
        grow(capacity_, kv_dim_, length_, rows->halves);
      } else {
        grow(capacity_, kv_dim_, length_, rows->floats);
      }
    }
  }
}

KvView KvCache::append(const KernelContext& kernels, MatrixView<const float> values, Rows& rows) const {
  const std::int64_t end = length_ + values.rows;
  if (holds_halves_) {
    round_to_halves(kernels, values, rows.halves.view().rows_between(length_, end));
    return MatrixView<const Float16>(rows.halves.view()).rows_between(0, end);
  }
  std::copy_n(values.data, values.rows * kv_dim_, rows.floats.row(length_));
  return MatrixView<const float>(rows.floats.view()).rows_between(0, end);
}

Forward::Forward(const LanguageModel& model, const KernelContext& kernels, OperationRecorder* recorder)
    : model_(model), kernels_(kernels), recorder_(recorder) {}

void Forward::apply(Operation operation, std::initializer_list<Output> outputs, MatrixView<const float> x) {
  OperationScope scope(recorder_, operation);
  std::array<LinearLayer, kNumSlots> layers;
  std::size_t count = 0;
  for (const auto& output : outputs) {
    const Linear& layer = output.layer;
    scope.count(layer.stored_bytes(), 0,
                static_cast<std::uint64_t>(x.rows * layer.weight.rows * layer.weight.cols));
    if (layer.column_order.empty()) {
      layers[count++] = {layer.weight, layer.bias, output.y};
      continue;
    }
    auto reordered = Matrix<float>::unset(x.rows, x.cols);
    for (std::int64_t t = 0; t < x.rows; ++t) {
      float* row = reordered.row(t);
      for (std::int64_t c = 0; c < x.cols; ++c) row[c] = x.at(t, layer.column_order[static_cast<std::size_t>(c)]);
    }
    linear(kernels_, layer.weight, reordered.view(), layer.bias, output.y);
  }
  linear_layers(kernels_, {layers.data(), count}, x);
}

void Forward::normalize(const NormWeights& norm, MatrixView<const float> x, MatrixView<float> y) {
  OperationScope scope(recorder_, Operation::kNorms);
  scope.count(norm.stored_bytes(), 0, 0);
  if (model_.config.family->norm == NormKind::kLayer) {
    layer_norm(kernels_, x, norm.weight, norm.bias, model_.config.norm_epsilon, y);
  } else {
    rms_norm(kernels_, x, norm.weight, model_.config.norm_epsilon, y);
  }
}

void Forward::normalize_heads(const NormWeights& norm, MatrixView<float> heads) {
  OperationScope scope(recorder_, Operation::kNorms);
  scope.count(norm.stored_bytes(), 0, 0);
  // A row of n heads is n rows of one head.
  const std::int64_t dim = model_.config.head_dim;
  const MatrixView<float> rows(heads.data, heads.rows * (heads.cols / dim), dim);
  rms_norm(kernels_, rows, norm.weight, model_.config.norm_epsilon, rows);
}

void Forward::add(MatrixView<const float> x, MatrixView<float> y) {
  OperationScope scope(recorder_, Operation::kResidual);
  scope.count(0, 0, 0);
  add_in_place(kernels_, x, y);
}

void Forward::begin_block(std::int64_t layer, BlockState& state) {
  const Block& block = model_.blocks[static_cast<std::size_t>(layer)];
  state.inputs = Matrix<float>::unset(state.hidden.rows(), model_.config.hidden_size);
  if (model_.config.norm_before) {
    normalize(*block.at(NormSlot::kAttention), state.hidden.view(), state.inputs.view());
  } else {
    state.inputs = state.hidden;
  }
}

void Forward::split_qkv(MatrixView<const float> fused, Matrix<float>& q, Matrix<float>& k,
                        Matrix<float>& v) const {
  const OperationScope scope(recorder_, Operation::kQkv);
  const ModelConfig& config = model_.config;
  const std::int64_t dim = config.head_dim;
  for (std::int64_t t = 0; t < fused.rows; ++t) {
    const float* from = fused.row(t);
    if (config.family->qkv_layout == QkvLayout::kConcatenated) {
      std::copy_n(from, config.q_dim(), q.row(t));
      std::copy_n(from + config.q_dim(), config.kv_dim(), k.row(t));
      std::copy_n(from + config.q_dim() + config.kv_dim(), config.kv_dim(), v.row(t));
      continue;
    }
    for (std::int64_t head = 0; head < config.num_heads; ++head, from += 3 * dim) {
      std::copy_n(from, dim, q.row(t) + head * dim);
      std::copy_n(from + dim, dim, k.row(t) + head * dim);
      std::copy_n(from + 2 * dim, dim, v.row(t) + head * dim);
    }
  }
}

void Forward::compute_qkv(const Block& block, MatrixView<const float> x, Matrix<float>& q, Matrix<float>& k, Matrix<float>& v) {
  const ModelConfig& config = model_.config;
  q = Matrix<float>::unset(x.rows, config.q_dim());
  k = Matrix<float>::unset(x.rows, config.kv_dim());
  v = Matrix<float>::unset(x.rows, config.kv_dim());
  if (const auto& fused = block.at(Slot::kQkv)) {
    auto qkv = Matrix<float>::unset(x.rows, config.q_dim() + 2 * config.kv_dim());
    apply(Operation::kQkv, *fused, x, qkv.view());
    split_qkv(qkv.view(), q, k, v);
  } else {
    apply(Operation::kQkv,
          {{*block.at(Slot::kQ), q.view()}, {*block.at(Slot::kK), k.view()}, {*block.at(Slot::kV), v.view()}},
          x);
  }
  if (const auto& norm = block.at(NormSlot::kQ)) normalize_heads(*norm, q.view());
  if (const auto& norm = block.at(NormSlot::kK)) normalize_heads(*norm, k.view());
}

void Forward::rotate(std::int64_t layer, std::span<const SequenceRows> sequences, Matrix<float>& q, Matrix<float>& k) {
  const ModelConfig& config = model_.config;
  const Rope& rope = config.local_rope[static_cast<std::size_t>(layer)] ? config.rope_local : config.rope;
  if (rope.rotary_dim == 0) return;
  OperationScope scope(recorder_, Operation::kRope);
  scope.count(0, 0, 0);
  for (const auto& sequence : sequences) {
    const std::int64_t start = sequence.cache != nullptr ? sequence.cache->length() : 0;
    std::vector<std::int64_t> positions(static_cast<std::size_t>(sequence.num_rows));
    for (std::int64_t i = 0; i < sequence.num_rows; ++i) positions[static_cast<std::size_t>(i)] = start + i;
    auto angles = Matrix<float>::unset(sequence.num_rows, rope.rotary_dim);
    fill_rope_angles(rope, positions, start + sequence.num_rows, angles.view());
    const std::int64_t end = sequence.first_row + sequence.num_rows;
    apply_rope(kernels_, q.view().rows_between(sequence.first_row, end), config.head_dim, rope.rotary_dim, angles.view());
    apply_rope(kernels_, k.view().rows_between(sequence.first_row, end), config.head_dim, rope.rotary_dim, angles.view());
  }
}

void Forward::attend(std::int64_t layer, std::span<const SequenceRows> sequences, BlockState& state) {
  const ModelConfig& config = model_.config;
  const Block& block = model_.blocks[static_cast<std::size_t>(layer)];
  Matrix<float> q, k, v;
  compute_qkv(block, state.inputs.view(), q, k, v);
  rotate(layer, sequences, q, k);
  OperationScope scope(recorder_, Operation::kAttention);
  state.inputs = Matrix<float>::unset(q.rows(), config.q_dim());
  std::vector<AttentionTask> tasks;
  for (const auto& sequence : sequences) {
    const std::int64_t begin = sequence.first_row, end = begin + sequence.num_rows;
    AttentionTask task{q.view().rows_between(begin, end), MatrixView<const float>(k.view()).rows_between(begin, end),
                       MatrixView<const float>(v.view()).rows_between(begin, end), state.inputs.view().rows_between(begin, end)};
    if (sequence.cache != nullptr) {
      KvCache& cache = *sequence.cache;
      auto& stored = cache.layers_[static_cast<std::size_t>(layer)];
      task.keys = cache.append(kernels_, k.view().rows_between(begin, end), stored.keys);
      task.values = cache.append(kernels_, v.view().rows_between(begin, end), stored.values);
    }
    tasks.push_back(task);
  }
  const AttentionShape shape{config.num_heads, config.num_kv_heads, config.head_dim, config.attention_scale,
                             config.attention_softcap, config.windows[static_cast<std::size_t>(layer)]};
  if (recorder_ != nullptr) count_attention(scope, shape, tasks);
  attention(kernels_, shape, tasks);
}

void Forward::project(std::int64_t layer, BlockState& state) {
  const ModelConfig& config = model_.config;
  const Block& block = model_.blocks[static_cast<std::size_t>(layer)];
  auto projected = Matrix<float>::unset(state.hidden.rows(), config.hidden_size);
  apply(Operation::kOutput, *block.at(Slot::kO), state.inputs.view(), projected.view());
  if (const auto& norm = block.at(NormSlot::kPostAttention))
    normalize(*norm, projected.view(), projected.view());
  state.inputs = Matrix<float>::unset(state.hidden.rows(), config.hidden_size);
  const NormWeights& norm = *block.at(config.norm_before ? NormSlot::kMlp : NormSlot::kAttention);
  if (config.parallel_residual) {
    normalize(norm, state.hidden.view(), state.inputs.view());
    add(projected.view(), state.hidden.view());
    return;
  }
  add(projected.view(), state.hidden.view());
  normalize(norm, state.hidden.view(), state.inputs.view());
  if (!config.norm_before) state.hidden = state.inputs;
}

void Forward::expand(std::int64_t layer, BlockState& state) {
  const ModelConfig& config = model_.config;
  const Block& block = model_.blocks[static_cast<std::size_t>(layer)];
  const std::int64_t rows = state.inputs.rows(), width = config.intermediate_size;
  auto expanded = Matrix<float>::unset(rows, width);
  if (const auto& fused = block.at(Slot::kGateUp)) {
    auto both = Matrix<float>::unset(rows, 2 * width);
    apply(Operation::kGateUp, *fused, state.inputs.view(), both.view());
    const MatrixView<const float> view = both.view();
    OperationScope scope(recorder_, Operation::kActivation);
    scope.count(0, 0, 0);
    gated_activation(kernels_, config.activation, view.cols_between(0, width),
                     view.cols_between(width, 2 * width), expanded.view());
  } else {
    if (const auto& gate_layer = block.at(Slot::kGate)) {
      auto gate = Matrix<float>::unset(rows, width);
      apply(Operation::kGateUp, {{*gate_layer, gate.view()}, {*block.at(Slot::kUp), expanded.view()}},
            state.inputs.view());
      OperationScope scope(recorder_, Operation::kActivation);
      scope.count(0, 0, 0);
      gated_activation(kernels_, config.activation, gate.view(), expanded.view(), expanded.view());
    } else {
      apply(Operation::kGateUp, *block.at(Slot::kUp), state.inputs.view(), expanded.view());
      OperationScope scope(recorder_, Operation::kActivation);
      scope.count(0, 0, 0);
      activate(kernels_, config.activation, expanded.view());
    }
  }
  state.inputs = std::move(expanded);
}

void Forward::finish_block(std::int64_t layer, BlockState& state) {
  const Block& block = model_.blocks[static_cast<std::size_t>(layer)];
  auto contracted = Matrix<float>::unset(state.hidden.rows(), model_.config.hidden_size);
  apply(Operation::kDown, *block.at(Slot::kDown), state.inputs.view(), contracted.view());
  if (const auto& norm = block.at(NormSlot::kPostMlp)) normalize(*norm, contracted.view(), contracted.view());
  add(contracted.view(), state.hidden.view());
  if (!model_.config.norm_before)
    normalize(*block.at(NormSlot::kMlp), state.hidden.view(), state.hidden.view());
}

Result<Matrix<float>> Forward::embed(std::span<const std::int32_t> tokens,
                                     std::span<const SequenceRows> sequences) {
  const OperationScope scope(recorder_, Operation::kEmbedding);
  const ModelConfig& config = model_.config;
  const auto rows = static_cast<std::int64_t>(tokens.size());
  auto embedded = Matrix<float>::unset(rows, config.embedding_dim);
  for (std::int64_t t = 0; t < rows; ++t) {
    const std::int32_t id = tokens[static_cast<std::size_t>(t)];
    if (id < 0 || id >= config.vocab_size) {
      return Error{ErrorCode::kInvalidArgument, "token id " + std::to_string(id) + " is outside of the model's vocabulary of " +
                                                    std::to_string(config.vocab_size) + "; is this the model's tokenizer?"};
    }
    dequantize_row(*kernels_.table, model_.embedding.weight, id, {embedded.row(t), static_cast<std::size_t>(config.embedding_dim)});
  }
  if (config.embedding_scale != 1.0f) {
    for (std::int64_t i = 0; i < rows * config.embedding_dim; ++i) embedded.data()[i] *= config.embedding_scale;
  }
  if (model_.project_in) {
    auto projected = Matrix<float>::unset(rows, config.hidden_size);
    apply(Operation::kEmbedding, *model_.project_in, embedded.view(), projected.view());
    embedded = std::move(projected);
  }
  std::vector<float> position_row(static_cast<std::size_t>(config.hidden_size));
  for (const auto& sequence : sequences) {
    const std::int64_t start = sequence.cache != nullptr ? sequence.cache->length() : 0;
    if (start + sequence.num_rows > config.max_positions) {
      return Error{ErrorCode::kInvalidArgument, "a sequence of " + std::to_string(start + sequence.num_rows) +
                                                    " tokens is longer than the model's context of " + std::to_string(config.max_positions)};
    }
    for (std::int64_t i = 0; model_.positions && i < sequence.num_rows; ++i) {
      dequantize_row(*kernels_.table, model_.positions->weight, start + i + config.family->position_offset, position_row);
      float* row = embedded.row(sequence.first_row + i);
      for (std::size_t c = 0; c < position_row.size(); ++c) row[c] += position_row[c];
    }
  }
  return embedded;
}

Result<Matrix<float>> Forward::hidden_states(std::span<const std::int32_t> tokens, std::span<const SequenceRows> sequences) {
  return run_blocks(tokens, sequences, {});
}

Result<Matrix<float>> Forward::hidden_rows(std::span<const std::int32_t> tokens, std::span<const SequenceRows> sequences, std::span<const std::int64_t> rows) {
  // A row alone would be summed in another order than one among others.
  ASSAY_CHECK(!rows.empty());
  const std::array<std::int64_t, 2> twice{rows[0], rows[0]};
  const bool alone = rows.size() == 1 && tokens.size() > 1;
  ASSAY_TRY(Matrix<float> hidden, run_blocks(tokens, sequences, alone ? std::span<const std::int64_t>(twice) : rows));
  if (!alone) return hidden;
  Matrix<float> first(1, hidden.cols());
  std::copy_n(hidden.row(0), hidden.cols(), first.row(0));
  return first;
}

Result<Matrix<float>> Forward::run_blocks(std::span<const std::int32_t> tokens, std::span<const SequenceRows> sequences, std::span<const std::int64_t> rows) {
  BlockState state;
  ASSAY_TRY(state.hidden, embed(tokens, sequences));
  for (const auto& sequence : sequences) {
    if (sequence.cache != nullptr) sequence.cache->reserve(sequence.cache->length() + sequence.num_rows);
  }
  for (std::int64_t layer = 0; layer < model_.config.num_layers; ++layer) {
    begin_block(layer, state);
    attend(layer, sequences, state);
    if (layer + 1 == model_.config.num_layers && !rows.empty()) {
      state.hidden = rows_of(state.hidden, rows);
      state.inputs = rows_of(state.inputs, rows);
    }
    project(layer, state);
    expand(layer, state);
    finish_block(layer, state);
  }
  for (const auto& sequence : sequences) {
    if (sequence.cache != nullptr) sequence.cache->length_ += sequence.num_rows;
  }
  return std::move(state.hidden);
}

Matrix<float> Forward::logits(MatrixView<const float> hidden) {
  auto out = Matrix<float>::unset(hidden.rows, model_.config.vocab_size);
  logits(hidden, out.view());
  return out;
}

void Forward::logits(MatrixView<const float> hidden, MatrixView<float> out) {
  ASSAY_CHECK(out.rows == hidden.rows && out.cols == model_.config.vocab_size);
  const ModelConfig& config = model_.config;
  auto normalized = Matrix<float>::unset(hidden.rows, config.hidden_size);
  if (model_.final_norm) {
    normalize(*model_.final_norm, hidden, normalized.view());
  } else {
    for (std::int64_t t = 0; t < hidden.rows; ++t) std::copy_n(hidden.row(t), hidden.cols, normalized.row(t));
  }
  if (model_.project_out) {
    auto projected = Matrix<float>::unset(hidden.rows, config.embedding_dim);
    apply(Operation::kHead, *model_.project_out, normalized.view(), projected.view());
    normalized = std::move(projected);
  }
  const OperationScope scope(recorder_, Operation::kHead);
  apply(Operation::kHead, model_.output_head(), normalized.view(), out);
  if (config.final_softcap <= 0) return;
  for (std::int64_t r = 0; r < out.rows; ++r) {
    for (float& logit : std::span(out.row(r), static_cast<std::size_t>(out.cols)))
      logit = config.final_softcap * std::tanh(logit / config.final_softcap);
  }
}

Result<Matrix<float>> Forward::next_logits(std::span<const std::int32_t> tokens, KvCache& cache) {
  const SequenceRows sequence{0, static_cast<std::int64_t>(tokens.size()), &cache};
  const std::int64_t last = sequence.num_rows - 1;
  ASSAY_TRY(const Matrix<float> hidden, hidden_rows(tokens, {&sequence, 1}, {&last, 1}));
  return logits(hidden.view());
}

}  // namespace assay
