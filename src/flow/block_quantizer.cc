#include "flow/block_quantizer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "quant/llm/closed_form.h"
#include "quant/llm/layer_error.h"
#include "quant/llm/rtn.h"

namespace assay {
namespace {

constexpr auto kNumStages = static_cast<std::int64_t>(kNumBlockStages);

// Sum over rows of |a - b|^2 / |b|^2: every token counts the same, since a norm follows that makes them so.
double sum_of_row_errors(const Matrix<float>& a, const Matrix<float>& b) {
  double sum = 0.0;
  for (std::int64_t row = 0; row < a.rows(); ++row) {
    double error = 0.0, norm = 0.0;
    for (std::int64_t col = 0; col < a.cols(); ++col) {
      const double difference = static_cast<double>(a.at(row, col)) - b.at(row, col);
      error += difference * difference;
      norm += static_cast<double>(b.at(row, col)) * b.at(row, col);
    }
    sum += norm > 0.0 ? error / norm : 0.0;
  }
  return sum;
}

}  // namespace

Result<Matrix<float>> dequantize_dense(const Linear& linear, const KernelContext& kernels) {
  if (!linear.weight.is_dense()) return Error{ErrorCode::kUnsupported, linear.name + ": is quantized to " + std::to_string(linear.weight.bits) + " bits already; start from the original checkpoint"};
  return dequantize(kernels, linear.weight);
}

Result<LayerReport> quantize_linear_rtn(Linear& linear, const LlmQuantizeOptions& options, const KernelContext& kernels) {
  const auto start = std::chrono::steady_clock::now();
  const GptqOptions gptq = gptq_options_of(options, linear.name);
  ASSAY_TRY(const Matrix<float> w, dequantize_dense(linear, kernels));
  auto matrix = quantize_rtn(w.view(), gptq.group_size, gptq.grid, {}, *kernels.pool);
  if (!matrix) return matrix.error().with_context(linear.name);
  LayerReport report{linear.name, gptq.grid.bits, w.rows(), w.cols()};
  report.weight_error = weight_error(w.view(), *matrix, {});
  linear.set_quantized(std::make_shared<GroupQuantMatrix>(*std::move(matrix)), {});
  report.seconds = seconds_since(start);
  return report;
}

BlockQuantizer::BlockQuantizer(LanguageModel& model, std::vector<Block> float_blocks, const LlmQuantizeOptions& options, const KernelContext& kernels,
                               std::vector<Chunk> chunks, ActivationStore store, std::optional<ActivationStore> float_store)
    : model_(model), float_blocks_(std::move(float_blocks)), options_(options), kernels_(kernels), forward_(model, kernels),
      chunks_(std::move(chunks)), store_(std::move(store)), float_store_(std::move(float_store)) {}

Result<BlockQuantizer> BlockQuantizer::create(LanguageModel& model, std::vector<Block> float_blocks, const CalibrationSet& calibration,
                                              const LlmQuantizeOptions& options, const KernelContext& kernels, const std::filesystem::path& folder) {
  const bool solves = solves_codes(options);
  std::vector<Chunk> chunks;
  for (const bool held_out : {false, true}) {
    std::vector<std::vector<std::int32_t>> sequences;
    for (std::size_t i = 0; i < calibration.sequences.size(); ++i) {
      if ((solves && is_held_out(i)) == held_out) sequences.push_back(calibration.sequences[i]);
    }
    for (SequenceChunk& chunk : cut_chunks(sequences, Reads::kAll, kTokensOfBlockPass)) chunks.push_back({std::move(chunk), held_out});
  }
  const ModelConfig& config = model.config;
  const std::int64_t widest = std::max({config.intermediate_size, config.q_dim(), config.hidden_size});
  const std::uint64_t bytes = static_cast<std::uint64_t>(config.hidden_size + widest) * sizeof(float) * static_cast<std::uint64_t>(calibration.num_tokens());
  const std::uint64_t memory = solves ? options.activation_memory_bytes / 2 : options.activation_memory_bytes;
  ASSAY_TRY(ActivationStore store, ActivationStore::create(chunks.size(), bytes, memory, folder));
  std::optional<ActivationStore> float_store;
  if (solves) {
    ASSAY_TRY(ActivationStore second, ActivationStore::create(chunks.size(), bytes, memory, folder));
    float_store.emplace(std::move(second));
  }
  Forward forward(model, kernels);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    ASSAY_TRY(Matrix<float> embedded, forward.embed(chunks[i].tokens, chunks[i].sequences));
    if (float_store) ASSAY_RETURN_IF_ERROR(float_store->store(i, BlockState{embedded, {}}));
    ASSAY_RETURN_IF_ERROR(store.store(i, BlockState{std::move(embedded), {}}));
  }
  return BlockQuantizer(model, std::move(float_blocks), options, kernels, std::move(chunks), std::move(store), std::move(float_store));
}

template <typename Run>
void BlockQuantizer::with_float_block(std::int64_t layer, Run run) {
  const auto i = static_cast<std::size_t>(layer);
  std::swap(model_.blocks[i], float_blocks_[i]);
  run();
  std::swap(model_.blocks[i], float_blocks_[i]);
}

template <typename Run>
void BlockQuantizer::on_stream(std::int64_t layer, Run run) {
  if (inputs_are_float()) {
    with_float_block(layer, run);
  } else {
    run();
  }
}

BlockQuantizer::SplitMoments BlockQuantizer::make_moments(Stage stage, std::int64_t layer) const {
  const Block& block = model_.blocks[static_cast<std::size_t>(layer)];
  std::int64_t inputs = 1;
  std::optional<std::int64_t> residual_outputs;
  for (const Slot slot : slots_of(stage)) {
    const auto& linear = block.at(slot);
    if (!linear) continue;
    inputs = linear->weight.cols;
    // Behind a norm, outputs no longer simply add to the residual stream.
    const bool adds = (slot == Slot::kO && !block.at(NormSlot::kPostAttention)) || (slot == Slot::kDown && !block.at(NormSlot::kPostMlp));
    if (adds) residual_outputs = linear->weight.rows;
  }
  const StageMoments empty(inputs, has_float_stream(), residual_outputs);
  return {empty, empty};
}

Status BlockQuantizer::collect_all_stages(std::int64_t layer, std::vector<SplitMoments>& moments) {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_TRY(BlockState entering, store_.take(i));
    BlockState state = entering;
    for (std::int64_t stage = 0; stage < kNumStages; ++stage) {
      on_stream(layer, [&] { run_stage(forward_, static_cast<Stage>(stage), layer, chunks_[i].sequences, state); });
      moments[static_cast<std::size_t>(stage)].solving.add(state, *kernels_.pool);
    }
    ASSAY_RETURN_IF_ERROR(store_.store(i, std::move(entering)));
  }
  return {};
}

// What a layer adds to the residual stream is read through a norm, so its error counts in units of the stream behind it.
std::vector<float> BlockQuantizer::row_weights(Stage stage, std::int64_t layer, const BlockState& reference) {
  const Block& block = float_blocks_[static_cast<std::size_t>(layer)];
  const bool attention = stage == Stage::kAttentionOutput && !block.at(NormSlot::kPostAttention);
  const bool mlp = stage == Stage::kMlpOutput && !block.at(NormSlot::kPostMlp);
  if (!options_.equal_tokens || !(attention || mlp)) return {};
  BlockState behind = reference;
  with_float_block(layer, [&] { attention ? forward_.project(layer, behind) : forward_.finish_block(layer, behind); });
  std::vector<float> weights;
  for (std::int64_t row = 0; row < behind.hidden.rows(); ++row) {
    double square = 0.0;
    for (std::int64_t col = 0; col < behind.hidden.cols(); ++col) square += static_cast<double>(behind.hidden.at(row, col)) * behind.hidden.at(row, col);
    weights.push_back(square > 0.0 ? static_cast<float>(static_cast<double>(behind.hidden.cols()) / square) : 0.0f);
  }
  return weights;
}

Status BlockQuantizer::collect_stage(Stage stage, std::int64_t layer, SplitMoments& moments) {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_TRY(BlockState state, store_.take(i));
    on_stream(layer, [&] { run_stage(forward_, stage, layer, chunks_[i].sequences, state); });
    if (has_float_stream()) {
      ASSAY_TRY(BlockState reference, float_store_->take(i));
      with_float_block(layer, [&] { run_stage(forward_, stage, layer, chunks_[i].sequences, reference); });
      (chunks_[i].held_out ? moments.held_out : moments.solving).add(state, reference, row_weights(stage, layer, reference), *kernels_.pool);
      ASSAY_RETURN_IF_ERROR(float_store_->store(i, std::move(reference)));
    } else {
      moments.solving.add(state, *kernels_.pool);
    }
    ASSAY_RETURN_IF_ERROR(store_.store(i, std::move(state)));
  }
  return {};
}

Result<LayerReport> BlockQuantizer::quantize_linear(Linear& linear, const LayerMoments& moments, const LayerMoments* held_out, const HessianFactor* factor) {
  const auto start = std::chrono::steady_clock::now();
  const GptqOptions gptq = gptq_options_of(options_, linear.name);
  ASSAY_TRY(const Matrix<float> w, dequantize_dense(linear, kernels_));
  LayerReport report{linear.name, gptq.grid.bits, w.rows(), w.cols()};
  GptqResult result;
  if (solves_codes(options_)) {
    ASSAY_TRY(ClosedFormResult best, quantize_closed_form(w.view(), *factor, moments, held_out, gptq, options_.closed_form, *kernels_.pool));
    result = std::move(best.gptq);
    report.target_strength = best.target_strength;
    report.steps = std::move(best.steps);
    report.held_out_error = best.held_out_error;
  } else if (factor != nullptr) {
    ASSAY_TRY(result, quantize_gptq(w.view(), *factor, gptq, *kernels_.pool));
  } else {
    std::vector<float> importance(static_cast<std::size_t>(w.cols()));
    for (std::int64_t i = 0; i < w.cols(); ++i) importance[static_cast<std::size_t>(i)] = moments.hessian.at(i, i);
    ASSAY_TRY(result.matrix, quantize_rtn(w.view(), gptq.group_size, gptq.grid, importance, *kernels_.pool));
    result.error = layer_error(w.view(), result.matrix, {}, moments.hessian.view(), *kernels_.pool);
  }
  report.damp_used = result.damp_used;
  report.damp_retries = result.damp_retries;
  report.weight_error = result.error.weight;
  report.output_error = result.error.output;
  linear.set_quantized(std::make_shared<GroupQuantMatrix>(std::move(result.matrix)), std::move(result.column_order));
  report.seconds = seconds_since(start);
  return report;
}

Status BlockQuantizer::quantize_stage(Stage stage, std::int64_t layer, const SplitMoments& split, std::vector<LayerReport>& reports) {
  ASSAY_TRY(const LayerMoments moments, split.solving.moments());
  std::optional<LayerMoments> held_out;
  if (!split.held_out.empty()) {
    ASSAY_TRY(held_out, split.held_out.moments());
  }
  std::optional<HessianFactor> factor;
  std::int64_t factor_group_size = 0;
  Block& block = model_.blocks[static_cast<std::size_t>(layer)];
  for (const Slot slot : slots_of(stage)) {
    auto& linear = block.at(slot);
    if (!linear) continue;
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const GptqOptions gptq = gptq_options_of(options_, linear->name);
    if ((options_.method == LlmMethod::kGptq || solves_codes(options_)) && (!factor || factor_group_size != gptq.group_size)) {
      auto prepared = prepare_hessian(moments.hessian.view(), gptq);
      if (!prepared) return prepared.error().with_context(linear->name);
      factor = *std::move(prepared);
      factor_group_size = gptq.group_size;
    }
    auto report = quantize_linear(*linear, moments, held_out ? &*held_out : nullptr, factor ? &*factor : nullptr);
    if (!report) return report.error().with_context(linear->name);
    reports.push_back(*std::move(report));
  }
  return {};
}

Result<std::optional<double>> BlockQuantizer::finish_block(std::int64_t layer) {
  double error = 0.0;
  std::int64_t rows = 0;
  const bool any_held_out = std::any_of(chunks_.begin(), chunks_.end(), [](const Chunk& chunk) { return chunk.held_out; });
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    ASSAY_TRY(BlockState state, store_.take(i));
    on_stream(layer, [&] { forward_.finish_block(layer, state); });
    state.inputs = Matrix<float>();
    if (has_float_stream()) {
      ASSAY_TRY(BlockState reference, float_store_->take(i));
      with_float_block(layer, [&] { forward_.finish_block(layer, reference); });
      reference.inputs = Matrix<float>();
      if (chunks_[i].held_out || !any_held_out) {
        error += sum_of_row_errors(state.hidden, reference.hidden);
        rows += state.hidden.rows();
      }
      ASSAY_RETURN_IF_ERROR(float_store_->store(i, std::move(reference)));
    }
    ASSAY_RETURN_IF_ERROR(store_.store(i, std::move(state)));
  }
  if (rows == 0) return std::optional<double>{};
  return std::optional<double>{error / static_cast<double>(rows)};
}

void BlockQuantizer::report_progress(std::int64_t layer, std::int64_t step, Progress& progress) const {
  const std::int64_t steps = kNumStages + 1;
  progress.update("quantizing", layer * steps + step, model_.config.num_layers * steps);
}

Result<BlockReport> BlockQuantizer::quantize(std::int64_t layer, Progress& progress) {
  BlockReport report;
  std::vector<SplitMoments> moments;
  for (std::int64_t stage = 0; stage < kNumStages; ++stage) moments.push_back(make_moments(static_cast<Stage>(stage), layer));
  if (!options_.true_sequential) {
    ASSAY_RETURN_IF_ERROR(collect_all_stages(layer, moments));
    for (std::int64_t stage = 0; stage < kNumStages; ++stage) {
      ASSAY_RETURN_IF_ERROR(quantize_stage(static_cast<Stage>(stage), layer, moments[static_cast<std::size_t>(stage)], report.layers));
      report_progress(layer, stage + 1, progress);
    }
    ASSAY_RETURN_IF_ERROR(pass_through(layer, progress));
    return report;
  }
  for (std::int64_t stage = 0; stage < kNumStages; ++stage) {
    SplitMoments& stage_moments = moments[static_cast<std::size_t>(stage)];
    ASSAY_RETURN_IF_ERROR(collect_stage(static_cast<Stage>(stage), layer, stage_moments));
    ASSAY_RETURN_IF_ERROR(quantize_stage(static_cast<Stage>(stage), layer, stage_moments, report.layers));
    report_progress(layer, stage + 1, progress);
  }
  ASSAY_TRY(report.held_out_error, finish_block(layer));
  report_progress(layer, kNumStages + 1, progress);
  return report;
}

Status BlockQuantizer::pass_through(std::int64_t layer, Progress& progress) {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const auto run_stages = [&](BlockState& state) {
      for (std::int64_t stage = 0; stage < kNumStages; ++stage) run_stage(forward_, static_cast<Stage>(stage), layer, chunks_[i].sequences, state);
    };
    ASSAY_TRY(BlockState state, store_.take(i));
    on_stream(layer, [&] { run_stages(state); });
    ASSAY_RETURN_IF_ERROR(store_.store(i, std::move(state)));
    if (!has_float_stream()) continue;
    ASSAY_TRY(BlockState reference, float_store_->take(i));
    with_float_block(layer, [&] { run_stages(reference); });
    ASSAY_RETURN_IF_ERROR(float_store_->store(i, std::move(reference)));
  }
  const auto finished = finish_block(layer);
  if (!finished) return finished.error();
  report_progress(layer, kNumStages + 1, progress);
  return {};
}

}  // namespace assay
