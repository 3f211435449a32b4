#include "flow/block_quantizer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "quant/llm/layer_error.h"
#include "quant/llm/rtn.h"

namespace assay {
namespace {

// Rows computed at once: enough to amortize unpacking weights, few enough that a stage's buffers stay small.
constexpr std::int64_t kChunkRows = 2048;
constexpr std::int64_t kNumStages = 4;

}  // namespace

Result<Matrix<float>> dequantize_dense(const Linear& linear, const KernelContext& kernels) {
  if (!linear.weight.is_dense()) return Error{ErrorCode::kUnsupported, linear.name + ": is quantized to " + std::to_string(linear.weight.bits) + " bits already; start from the original checkpoint"};
  Matrix<float> w(linear.weight.rows, linear.weight.cols);
  kernels.pool->parallel_for(w.rows(), 1, [&](WorkRange range) {
    for (std::int64_t r = range.begin; r < range.end; ++r) dequantize_row(*kernels.table, linear.weight, r, {w.row(r), static_cast<std::size_t>(w.cols())});
  });
  return w;
}

Result<LayerReport> quantize_linear_rtn(Linear& linear, const LlmQuantizeOptions& options, const KernelContext& kernels) {
  const auto start = std::chrono::steady_clock::now();
  ASSAY_TRY(const Matrix<float> w, dequantize_dense(linear, kernels));
  auto matrix = quantize_rtn(w.view(), options.gptq.group_size, options.gptq.grid, {}, *kernels.pool);
  if (!matrix) return matrix.error().with_context(linear.name);
  LayerReport report{linear.name, options.gptq.grid.bits, w.rows(), w.cols()};
  report.weight_error = weight_error(w.view(), *matrix, {});
  linear.set_quantized(std::make_shared<GroupQuantMatrix>(*std::move(matrix)), {});
  report.seconds = seconds_since(start);
  return report;
}

BlockQuantizer::BlockQuantizer(LanguageModel& model, const LlmQuantizeOptions& options, const KernelContext& kernels, std::vector<Chunk> chunks,
                               ActivationStore store)
    : model_(model), options_(options), kernels_(kernels), forward_(model, kernels), chunks_(std::move(chunks)), store_(std::move(store)) {}

Result<BlockQuantizer> BlockQuantizer::create(LanguageModel& model, const CalibrationSet& calibration, const LlmQuantizeOptions& options,
                                              const KernelContext& kernels, const std::filesystem::path& folder) {
  std::vector<Chunk> chunks;
  std::vector<std::vector<std::int32_t>> tokens;
  for (const auto& sequence : calibration.sequences) {
    const auto length = static_cast<std::int64_t>(sequence.size());
    if (chunks.empty() || chunks.back().num_rows + length > kChunkRows) {
      chunks.emplace_back();
      tokens.emplace_back();
    }
    chunks.back().sequences.push_back({chunks.back().num_rows, length, nullptr});
    chunks.back().num_rows += length;
    tokens.back().insert(tokens.back().end(), sequence.begin(), sequence.end());
  }
  const ModelConfig& config = model.config;
  const std::int64_t widest = std::max({config.intermediate_size, config.q_dim(), config.hidden_size});
  const auto row_bytes = static_cast<std::uint64_t>(config.hidden_size + widest) * sizeof(float);
  ASSAY_TRY(ActivationStore store, ActivationStore::create(chunks.size(), row_bytes * static_cast<std::uint64_t>(calibration.num_tokens()),
                                                           options.activation_memory_bytes, folder));
  Forward forward(model, kernels);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    ASSAY_TRY(Matrix<float> embedded, forward.embed(tokens[i], chunks[i].sequences));
    ASSAY_RETURN_IF_ERROR(store.store(i, BlockState{std::move(embedded), {}}));
  }
  return BlockQuantizer(model, options, kernels, std::move(chunks), std::move(store));
}

std::span<const Slot> BlockQuantizer::slots_of(Stage stage) {
  static constexpr Slot kAttentionInput[] = {Slot::kQ, Slot::kK, Slot::kV, Slot::kQkv};
  static constexpr Slot kAttentionOutput[] = {Slot::kO};
  static constexpr Slot kMlpInput[] = {Slot::kGate, Slot::kUp, Slot::kGateUp};
  static constexpr Slot kMlpOutput[] = {Slot::kDown};
  switch (stage) {
    case Stage::kAttentionInput: return kAttentionInput;
    case Stage::kAttentionOutput: return kAttentionOutput;
    case Stage::kMlpInput: return kMlpInput;
    case Stage::kMlpOutput: return kMlpOutput;
  }
  return {};
}

// Computes what the layers of `stage` will read.
void BlockQuantizer::run_stage(Stage stage, std::int64_t layer, const Chunk& chunk, BlockState& state) {
  switch (stage) {
    case Stage::kAttentionInput: return forward_.begin_block(layer, state);
    case Stage::kAttentionOutput: return forward_.attend(layer, chunk.sequences, state);
    case Stage::kMlpInput: return forward_.project(layer, state);
    case Stage::kMlpOutput: return forward_.expand(layer, state);
  }
}

std::vector<GramAccumulator> BlockQuantizer::make_grams(std::int64_t layer) const {
  std::vector<GramAccumulator> grams;
  for (std::int64_t stage = 0; stage < kNumStages; ++stage) {
    std::int64_t inputs = 1;
    for (const Slot slot : slots_of(static_cast<Stage>(stage))) {
      if (const auto& linear = model_.blocks[static_cast<std::size_t>(layer)].at(slot)) inputs = linear->weight.cols;
    }
    grams.emplace_back(inputs);
  }
  return grams;
}

Status BlockQuantizer::collect_all_stages(std::int64_t layer, std::vector<GramAccumulator>& grams) {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_TRY(BlockState entering, store_.take(i));
    BlockState state = entering;
    for (std::int64_t stage = 0; stage < kNumStages; ++stage) {
      run_stage(static_cast<Stage>(stage), layer, chunks_[i], state);
      grams[static_cast<std::size_t>(stage)].add(state.inputs.view(), *kernels_.pool);
    }
    ASSAY_RETURN_IF_ERROR(store_.store(i, std::move(entering)));
  }
  return {};
}

Result<LayerReport> BlockQuantizer::quantize_linear(Linear& linear, const Matrix<float>& hessian, const HessianFactor* factor) {
  const auto start = std::chrono::steady_clock::now();
  ASSAY_TRY(const Matrix<float> w, dequantize_dense(linear, kernels_));
  LayerReport report{linear.name, options_.gptq.grid.bits, w.rows(), w.cols()};
  GptqResult result;
  if (factor != nullptr) {
    ASSAY_TRY(result, quantize_gptq(w.view(), *factor, options_.gptq, *kernels_.pool));
    report.damp_used = result.damp_used;
    report.damp_retries = result.damp_retries;
  } else {
    std::vector<float> importance(static_cast<std::size_t>(hessian.rows()));
    for (std::int64_t i = 0; i < hessian.rows(); ++i) importance[static_cast<std::size_t>(i)] = hessian.at(i, i);
    ASSAY_TRY(result.matrix, quantize_rtn(w.view(), options_.gptq.group_size, options_.gptq.grid, importance, *kernels_.pool));
    result.error = layer_error(w.view(), result.matrix, {}, hessian.view(), *kernels_.pool);
  }
  report.weight_error = result.error.weight;
  report.output_error = result.error.output;
  linear.set_quantized(std::make_shared<GroupQuantMatrix>(std::move(result.matrix)), std::move(result.column_order));
  report.seconds = seconds_since(start);
  return report;
}

Status BlockQuantizer::quantize_stage(Stage stage, std::int64_t layer, const GramAccumulator& gram, std::vector<LayerReport>& reports) {
  ASSAY_TRY(const Matrix<float> hessian, gram.hessian());
  std::optional<HessianFactor> factor;
  Block& block = model_.blocks[static_cast<std::size_t>(layer)];
  for (const Slot slot : slots_of(stage)) {
    auto& linear = block.at(slot);
    if (!linear) continue;
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    if (options_.method == LlmMethod::kGptq && !factor) {
      auto prepared = prepare_hessian(hessian.view(), options_.gptq);
      if (!prepared) return prepared.error().with_context(linear->name);
      factor = *std::move(prepared);
    }
    auto report = quantize_linear(*linear, hessian, factor ? &*factor : nullptr);
    if (!report) return report.error().with_context(linear->name);
    reports.push_back(*std::move(report));
  }
  return {};
}

void BlockQuantizer::report_progress(std::int64_t layer, std::int64_t step, Progress& progress) const {
  const std::int64_t steps = kNumStages + 1;
  progress.update("quantizing", layer * steps + step, model_.config.num_layers * steps);
}

Result<std::vector<LayerReport>> BlockQuantizer::quantize(std::int64_t layer, Progress& progress) {
  std::vector<LayerReport> reports;
  std::vector<GramAccumulator> grams = make_grams(layer);
  if (!options_.true_sequential) {
    ASSAY_RETURN_IF_ERROR(collect_all_stages(layer, grams));
    for (std::int64_t stage = 0; stage < kNumStages; ++stage) {
      ASSAY_RETURN_IF_ERROR(quantize_stage(static_cast<Stage>(stage), layer, grams[static_cast<std::size_t>(stage)], reports));
      report_progress(layer, stage + 1, progress);
    }
    ASSAY_RETURN_IF_ERROR(pass_through(layer, progress));
    return reports;
  }
  for (std::int64_t stage = 0; stage < kNumStages; ++stage) {
    GramAccumulator& gram = grams[static_cast<std::size_t>(stage)];
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      ASSAY_TRY(BlockState state, store_.take(i));
      run_stage(static_cast<Stage>(stage), layer, chunks_[i], state);
      gram.add(state.inputs.view(), *kernels_.pool);
      ASSAY_RETURN_IF_ERROR(store_.store(i, std::move(state)));
    }
    ASSAY_RETURN_IF_ERROR(quantize_stage(static_cast<Stage>(stage), layer, gram, reports));
    report_progress(layer, stage + 1, progress);
  }
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    ASSAY_TRY(BlockState state, store_.take(i));
    forward_.finish_block(layer, state);
    state.inputs = Matrix<float>();
    ASSAY_RETURN_IF_ERROR(store_.store(i, std::move(state)));
  }
  report_progress(layer, kNumStages + 1, progress);
  return reports;
}

Status BlockQuantizer::pass_through(std::int64_t layer, Progress& progress) {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_TRY(BlockState state, store_.take(i));
    for (std::int64_t stage = 0; stage < kNumStages; ++stage) run_stage(static_cast<Stage>(stage), layer, chunks_[i], state);
    forward_.finish_block(layer, state);
    state.inputs = Matrix<float>();
    ASSAY_RETURN_IF_ERROR(store_.store(i, std::move(state)));
  }
  report_progress(layer, kNumStages + 1, progress);
  return {};
}

}  // namespace assay
