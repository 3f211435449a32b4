#include "gradient/block_gradient.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "engine/rope.h"
#include "gradient/attention_gradient.h"
#include "gradient/operations.h"
#include "gradient/products.h"

namespace assay {
namespace {

// Keeps the memory where the shape is the same.
void shape_as(Matrix<float>& matrix, std::int64_t rows, std::int64_t cols) {
  if (matrix.rows() != rows || matrix.cols() != cols) matrix = Matrix<float>(rows, cols);
}

MatrixView<float> rows_of_heads(Matrix<float>& matrix, std::int64_t head_dim) {
  return {matrix.data(), matrix.rows() * (matrix.cols() / head_dim), head_dim};
}
MatrixView<const float> rows_of_heads(const Matrix<float>& matrix, std::int64_t head_dim) {
  return {matrix.data(), matrix.rows() * (matrix.cols() / head_dim), head_dim};
}

void copy_rows(MatrixView<const float> from, MatrixView<float> to, ThreadPool& pool) {
  if (from.data == to.data) return;
  pool.parallel_for(from.rows, 1, [&](WorkRange range) {
    for (std::int64_t t = range.begin; t < range.end; ++t) std::copy_n(from.row(t), from.cols, to.row(t));
  });
}

std::string missing_gradient(const ModelConfig& config, const Block& block) {
  if (config.family->norm == NormKind::kLayer) return "LayerNorm";
  if (!config.norm_before) return "norms after the residual additions";
  if (config.parallel_residual) return "parallel residuals";
  if (block.at(Slot::kQkv) || block.at(Slot::kGateUp)) return "fused projections";
  if (!block.at(Slot::kGate)) return "an MLP without a gate";
  if (config.activation == Activation::kRelu) return "a gate with ReLU";
  return {};
}

}  // namespace

BlockParameters block_parameters(const Block& block, const KernelContext& kernels) {
  BlockParameters out;
  for (std::size_t i = 0; i < kNumSlots; ++i) {
    if (!block.linears[i]) continue;
    const Linear& linear = *block.linears[i];
    Matrix<float>& w = out.linears[i];
    w = Matrix<float>(linear.weight.rows, linear.weight.cols);
    kernels.pool->parallel_for(w.rows(), 1, [&](WorkRange range) {
      std::vector<float> ordered(static_cast<std::size_t>(w.cols()));
      for (std::int64_t r = range.begin; r < range.end; ++r) {
        dequantize_row(*kernels.table, linear.weight, r, ordered);
        for (std::size_t c = 0; c < ordered.size(); ++c)
          w.at(r, linear.column_order.empty() ? static_cast<std::int64_t>(c) : linear.column_order[c]) =
              ordered[c];
      }
    });
  }
  for (std::size_t i = 0; i < kNumNormSlots; ++i) {
    if (block.norms[i]) out.norms[i] = block.norms[i]->weight;
  }
  return out;
}

BlockParameters zeros_like(const BlockParameters& parameters) {
  BlockParameters out;
  for (std::size_t i = 0; i < kNumSlots; ++i)
    out.linears[i] = Matrix<float>(parameters.linears[i].rows(), parameters.linears[i].cols());
  for (std::size_t i = 0; i < kNumNormSlots; ++i) out.norms[i].resize(parameters.norms[i].size());
  return out;
}

BlockGradient::BlockGradient(const LanguageModel& model, std::int64_t layer, const KernelContext& kernels)
    : model_(&model), layer_(layer), kernels_(kernels) {}

Result<BlockGradient> BlockGradient::create(const LanguageModel& model, std::int64_t layer,
                                            const KernelContext& kernels) {
  const std::string missing = missing_gradient(model.config, model.blocks[static_cast<std::size_t>(layer)]);
  if (!missing.empty()) {
    return Error{ErrorCode::kUnsupported, std::string(model.config.family->model_type) +
                                              ": no gradients for blocks with " + missing +
                                              "; choose a method that needs none"};
  }
  return BlockGradient(model, layer, kernels);
}

AttentionShape BlockGradient::attention_shape() const {
  const ModelConfig& config = model_->config;
  return {config.num_heads,       config.num_kv_heads,      config.head_dim,
          config.attention_scale, config.attention_softcap, config.windows[static_cast<std::size_t>(layer_)]};
}

void BlockGradient::apply(std::span<const SlotOutput> outputs, const BlockParameters& weights,
                          MatrixView<const float> x, Factors factors) {
  std::vector<Product> products;
  for (const auto& [slot, y] : outputs) {
    const auto& bias = model_->blocks[static_cast<std::size_t>(layer_)].at(slot)->bias;
    for (std::int64_t t = 0; !bias.empty() && t < y.rows; ++t) std::copy(bias.begin(), bias.end(), y.row(t));
    products.push_back(forward_product(x, weights.at(slot).view(), y,
                                       bias.empty() ? Accumulate::kNo : Accumulate::kYes, factors));
  }
  multiply(products, kernels_);
}

// From gradients of outputs that have one input to those of their weights, which are added to, and of the
// input.
void BlockGradient::go_back(std::span<const SlotOutput> douts, const BlockParameters& weights,
                            MatrixView<const float> x, BlockParameters& gradients, MatrixView<float> dx) {
  std::vector<Product> products;
  // First, since they have the longest sums.
  for (const auto& [slot, dout] : douts)
    products.push_back(input_product(dout, weights.at(slot).view(), dx,
                                     products.empty() ? Accumulate::kNo : Accumulate::kYes));
  for (const auto& [slot, dout] : douts)
    products.push_back(weight_product(dout, x, gradients.at(slot).view(), Accumulate::kYes));
  multiply(products, kernels_);
}

void BlockGradient::normalize(const std::vector<float>& weight, MatrixView<const float> x,
                              MatrixView<float> y) {
  rms_norm(kernels_, x, weight, model_->config.norm_epsilon, y);
}

void BlockGradient::turn(std::span<const SequenceRows> sequences, MatrixView<float> heads, bool back) {
  const ModelConfig& config = model_->config;
  const Rope& rope = config.local_rope[static_cast<std::size_t>(layer_)] ? config.rope_local : config.rope;
  if (rope.rotary_dim == 0) return;
  for (const auto& sequence : sequences) {
    if (angles_.rows() != sequence.num_rows) {
      std::vector<std::int64_t> positions(static_cast<std::size_t>(sequence.num_rows));
      std::iota(positions.begin(), positions.end(), std::int64_t{0});
      angles_ = Matrix<float>(sequence.num_rows, rope.rotary_dim);
      fill_rope_angles(rope, positions, sequence.num_rows, angles_.view());
    }
    const auto rows = heads.rows_between(sequence.first_row, sequence.first_row + sequence.num_rows);
    if (back) {
      rope_gradient(kernels_, rows, config.head_dim, rope.rotary_dim, angles_.view());
    } else {
      apply_rope(kernels_, rows, config.head_dim, rope.rotary_dim, angles_.view());
    }
  }
}

void BlockGradient::forward(const BlockParameters& weights, MatrixView<const float> x,
                            std::span<const SequenceRows> sequences, Factors factors, BlockTape& tape,
                            MatrixView<float> y) {
  const ModelConfig& config = model_->config;
  const std::int64_t rows = x.rows, hidden = config.hidden_size, width = config.intermediate_size;
  shape_as(tape.attention_input, rows, hidden);
  normalize(weights.at(NormSlot::kAttention), x, tape.attention_input.view());
  shape_as(tape.queries, rows, config.q_dim());
  shape_as(tape.keys, rows, config.kv_dim());
  shape_as(tape.values, rows, config.kv_dim());
  apply({{{Slot::kQ, tape.queries.view()}, {Slot::kK, tape.keys.view()}, {Slot::kV, tape.values.view()}}},
        weights, tape.attention_input.view(), factors);
  if (!weights.at(NormSlot::kQ).empty()) {
    tape.raw_queries = tape.queries;
    const auto heads = rows_of_heads(tape.queries, config.head_dim);
    normalize(weights.at(NormSlot::kQ), heads, heads);
  }
  if (!weights.at(NormSlot::kK).empty()) {
    tape.raw_keys = tape.keys;
    const auto heads = rows_of_heads(tape.keys, config.head_dim);
    normalize(weights.at(NormSlot::kK), heads, heads);
  }
  turn(sequences, tape.queries.view(), false);
  turn(sequences, tape.keys.view(), false);

  shape_as(tape.attended, rows, config.q_dim());
  std::vector<AttentionTask> tasks;
  for (const auto& sequence : sequences) {
    const std::int64_t begin = sequence.first_row, end = begin + sequence.num_rows;
    tasks.push_back({tape.queries.view().rows_between(begin, end),
                     MatrixView<const float>(tape.keys.view()).rows_between(begin, end),
                     MatrixView<const float>(tape.values.view()).rows_between(begin, end),
                     tape.attended.view().rows_between(begin, end)});
  }
  attention(kernels_, attention_shape(), tasks);

  shape_as(tape.middle, rows, hidden);
  apply({{{Slot::kO, tape.middle.view()}}}, weights, tape.attended.view(), factors);
  if (!weights.at(NormSlot::kPostAttention).empty()) {
    tape.projected = tape.middle;
    normalize(weights.at(NormSlot::kPostAttention), tape.middle.view(), tape.middle.view());
  }
  add_in_place(kernels_, x, tape.middle.view());

  shape_as(tape.mlp_input, rows, hidden);
  normalize(weights.at(NormSlot::kMlp), tape.middle.view(), tape.mlp_input.view());
  shape_as(tape.gate, rows, width);
  shape_as(tape.up, rows, width);
  shape_as(tape.expanded, rows, width);
  apply({{{Slot::kGate, tape.gate.view()}, {Slot::kUp, tape.up.view()}}}, weights, tape.mlp_input.view(),
        factors);
  gated_activation(kernels_, config.activation, tape.gate.view(), tape.up.view(), tape.expanded.view());
  shape_as(d_.branch, rows, hidden);
  apply({{{Slot::kDown, d_.branch.view()}}}, weights, tape.expanded.view(), factors);
  if (!weights.at(NormSlot::kPostMlp).empty()) {
    tape.contracted = d_.branch;
    normalize(weights.at(NormSlot::kPostMlp), d_.branch.view(), d_.branch.view());
  }
  add_in_place(kernels_, tape.middle.view(), d_.branch.view());
  copy_rows(d_.branch.view(), y, *kernels_.pool);
}

// From dy to d_.middle.
void BlockGradient::mlp_backward(const BlockParameters& weights, const BlockTape& tape,
                                 MatrixView<const float> dy, BlockParameters& gradients) {
  const ModelConfig& config = model_->config;
  ThreadPool& pool = *kernels_.pool;
  const std::int64_t rows = dy.rows, width = config.intermediate_size;
  shape_as(d_.branch, rows, config.hidden_size);
  copy_rows(dy, d_.branch.view(), pool);
  if (!weights.at(NormSlot::kPostMlp).empty()) {
    rms_norm_gradient(tape.contracted.view(), weights.at(NormSlot::kPostMlp), config.norm_epsilon, dy,
                      d_.branch.view(), gradients.at(NormSlot::kPostMlp), pool);
  }
  shape_as(d_.expanded, rows, width);
  go_back({{{Slot::kDown, d_.branch.view()}}}, weights, tape.expanded.view(), gradients, d_.expanded.view());
  shape_as(d_.gate, rows, width);
  shape_as(d_.up, rows, width);
  gated_activation_gradient(config.activation, tape.gate.view(), tape.up.view(), d_.expanded.view(),
                            d_.gate.view(), d_.up.view(), pool);
  shape_as(d_.input, rows, config.hidden_size);
  go_back({{{Slot::kGate, d_.gate.view()}, {Slot::kUp, d_.up.view()}}}, weights, tape.mlp_input.view(),
          gradients, d_.input.view());
  shape_as(d_.middle, rows, config.hidden_size);
  rms_norm_gradient(tape.middle.view(), weights.at(NormSlot::kMlp), config.norm_epsilon, d_.input.view(),
                    d_.middle.view(), gradients.at(NormSlot::kMlp), pool);
  add_in_place(kernels_, dy, d_.middle.view());
}

// From the gradient of queries or keys as attention reads them to that of the projection's output, in place.
void BlockGradient::heads_backward(NormSlot slot, const BlockParameters& weights,
                                   std::span<const SequenceRows> sequences, const Matrix<float>& raw,
                                   Matrix<float>& dheads, BlockParameters& gradients) {
  turn(sequences, dheads.view(), true);
  if (weights.at(slot).empty()) return;
  const std::int64_t dim = model_->config.head_dim;
  const auto rows = rows_of_heads(dheads, dim);
  rms_norm_gradient(rows_of_heads(raw, dim), weights.at(slot), model_->config.norm_epsilon, rows, rows,
                    gradients.at(slot), *kernels_.pool);
}

// From d_.middle to d_.input, the gradient of the normed input of attention.
void BlockGradient::attention_backward(const BlockParameters& weights,
                                       std::span<const SequenceRows> sequences, const BlockTape& tape,
                                       BlockParameters& gradients) {
  const ModelConfig& config = model_->config;
  ThreadPool& pool = *kernels_.pool;
  const std::int64_t rows = d_.middle.rows();
  copy_rows(d_.middle.view(), d_.branch.view(), pool);
  if (!weights.at(NormSlot::kPostAttention).empty()) {
    rms_norm_gradient(tape.projected.view(), weights.at(NormSlot::kPostAttention), config.norm_epsilon,
                      d_.middle.view(), d_.branch.view(), gradients.at(NormSlot::kPostAttention), pool);
  }
  shape_as(d_.attended, rows, config.q_dim());
  go_back({{{Slot::kO, d_.branch.view()}}}, weights, tape.attended.view(), gradients, d_.attended.view());
  shape_as(d_.queries, rows, config.q_dim());
  shape_as(d_.keys, rows, config.kv_dim());
  shape_as(d_.values, rows, config.kv_dim());
  std::vector<AttentionGradientTask> tasks;
  for (const auto& sequence : sequences) {
    const std::int64_t begin = sequence.first_row, end = begin + sequence.num_rows;
    tasks.push_back({tape.queries.view().rows_between(begin, end), tape.keys.view().rows_between(begin, end),
                     tape.values.view().rows_between(begin, end), d_.attended.view().rows_between(begin, end),
                     d_.queries.view().rows_between(begin, end), d_.keys.view().rows_between(begin, end),
                     d_.values.view().rows_between(begin, end)});
  }
  attention_gradient(kernels_, attention_shape(), tasks);
  heads_backward(NormSlot::kQ, weights, sequences, tape.raw_queries, d_.queries, gradients);
  heads_backward(NormSlot::kK, weights, sequences, tape.raw_keys, d_.keys, gradients);
  go_back({{{Slot::kQ, d_.queries.view()}, {Slot::kK, d_.keys.view()}, {Slot::kV, d_.values.view()}}},
          weights, tape.attention_input.view(), gradients, d_.input.view());
}

void BlockGradient::backward(const BlockParameters& weights, MatrixView<const float> x,
                             std::span<const SequenceRows> sequences, const BlockTape& tape,
                             MatrixView<const float> dy, BlockParameters& gradients, MatrixView<float> dx) {
  mlp_backward(weights, tape, dy, gradients);
  attention_backward(weights, sequences, tape, gradients);
  rms_norm_gradient(x, weights.at(NormSlot::kAttention), model_->config.norm_epsilon, d_.input.view(),
                    d_.branch.view(), gradients.at(NormSlot::kAttention), *kernels_.pool);
  add_in_place(kernels_, d_.middle.view(), d_.branch.view());
  copy_rows(d_.branch.view(), dx, *kernels_.pool);
}

}  // namespace assay
