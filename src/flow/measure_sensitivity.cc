#include "flow/measure_sensitivity.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "base/interrupt.h"
#include "engine/forward.h"
#include "flow/block_quantizer.h"
#include "flow/evaluate_divergence.h"
#include "flow/weights_hash.h"
#include "quant/llm/hessian.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kChunkRows = 2048;
constexpr std::int64_t kLogitRows = 256;

// The slots that read the same input, in the order of the stages of a block.
constexpr Slot kAttentionInput[] = {Slot::kQ, Slot::kK, Slot::kV, Slot::kQkv};
constexpr Slot kAttentionOutput[] = {Slot::kO};
constexpr Slot kMlpInput[] = {Slot::kGate, Slot::kUp, Slot::kGateUp};
constexpr Slot kMlpOutput[] = {Slot::kDown};
constexpr std::size_t kNumStages = 4;
constexpr std::span<const Slot> kStages[kNumStages] = {kAttentionInput, kAttentionOutput, kMlpInput,
                                                       kMlpOutput};

// Whole sequences that are computed together, and their residual stream before the next block.
struct Chunk {
  std::vector<SequenceRows> sequences;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;  // the token after each
  Matrix<float> hidden;
};

// With `predict`, what is read ends one token before the sequence does, so that every position has a target.
std::vector<Chunk> make_chunks(const CalibrationSet& set, bool predict) {
  std::vector<Chunk> chunks;
  for (const auto& ids : set.sequences) {
    const auto length = static_cast<std::int64_t>(ids.size()) - (predict ? 1 : 0);
    if (length < 1) continue;
    if (chunks.empty() || static_cast<std::int64_t>(chunks.back().tokens.size()) + length > kChunkRows)
      chunks.emplace_back();
    Chunk& chunk = chunks.back();
    chunk.sequences.push_back({static_cast<std::int64_t>(chunk.tokens.size()), length, nullptr});
    chunk.tokens.insert(chunk.tokens.end(), ids.begin(), ids.begin() + length);
    if (predict) chunk.targets.insert(chunk.targets.end(), ids.begin() + 1, ids.end());
  }
  return chunks;
}

std::int64_t num_positions(const CalibrationSet& probe) {
  std::int64_t positions = 0;
  for (const auto& ids : probe.sequences)
    positions += std::max<std::int64_t>(0, static_cast<std::int64_t>(ids.size()) - 1);
  return positions;
}

// What the finished layers of another run must agree on.
ordered_json settings_json(const LanguageModel& model, const CalibrationSet& calibration,
                           const CalibrationSet& probe, const SensitivityOptions& options) {
  ordered_json formats = ordered_json::array();
  for (const auto& format : options.formats)
    formats.push_back({{"bits", format.bits}, {"group_size", format.group_size}});
  const GptqOptions& gptq = options.gptq;
  return {{"weights", weights_hash(model)},
          {"calibration", calibration.hash},
          {"calibration_tokens", calibration.num_tokens()},
          {"probe", probe.hash},
          {"probe_positions", num_positions(probe)},
          {"sym", gptq.grid.sym},
          {"search", static_cast<int>(gptq.grid.search)},
          {"order", static_cast<int>(gptq.order)},
          {"static_groups", gptq.static_groups},
          {"damp", gptq.damp},
          {"formats", formats},
          {"measured", options.measured}};
}

// What a call goes on from: nothing, or the layers of an earlier one with the same settings.
Result<std::vector<LayerSensitivity>> finished_layers(const std::filesystem::path& path,
                                                      const std::string& settings) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::vector<LayerSensitivity>{};
  ASSAY_TRY(SensitivityFile file, read_sensitivities(path));
  if (file.settings != settings) {
    return Error{
        ErrorCode::kInvalidArgument,
        path.string() + ": holds sensitivities of another model, other data or other settings; remove it"};
  }
  return std::move(file.sensitivities.layers);
}

class Meter {
 public:
  Meter(LanguageModel& model, const SensitivityOptions& options, const KernelContext& kernels)
      : model_(model), options_(options), kernels_(kernels), forward_(model, kernels) {}

  Status start(const CalibrationSet& calibration, const CalibrationSet& probe) {
    calibration_ = make_chunks(calibration, false);
    probe_ = make_chunks(probe, true);
    if (calibration_.empty() || probe_.empty())
      return Error{ErrorCode::kInvalidArgument,
                   "calibration set and probe need tokens to read and to predict"};
    for (auto* chunks : {&calibration_, &probe_}) {
      for (auto& chunk : *chunks) {
        ASSAY_TRY(chunk.hidden, forward_.embed(chunk.tokens, chunk.sequences));
      }
    }
    for (const auto& chunk : probe_) {
      Matrix<float> hidden = chunk.hidden;
      for (std::int64_t layer = 0; layer < model_.config.num_layers; ++layer) {
        ASSAY_RETURN_IF_ERROR(check_interrupt());
        hidden = through_block(layer, chunk, std::move(hidden));
      }
      float_logits_.push_back(forward_.logits(hidden.view()));
    }
    return {};
  }

  // Moves both sets behind the block.
  Status pass(std::int64_t layer) {
    for (auto* chunks : {&calibration_, &probe_}) {
      for (auto& chunk : *chunks) {
        ASSAY_RETURN_IF_ERROR(check_interrupt());
        chunk.hidden = through_block(layer, chunk, std::move(chunk.hidden));
      }
    }
    return {};
  }

  // Every matrix of a block that both sets stand before.
  template <typename Done>
  Result<std::vector<LayerSensitivity>> measure_block(std::int64_t layer, Done done) {
    ASSAY_TRY(const auto hessians, collect(layer));
    std::vector<LayerSensitivity> rows;
    Block& block = model_.blocks[static_cast<std::size_t>(layer)];
    for (std::size_t stage = 0; stage < kNumStages; ++stage) {
      for (const Slot slot : kStages[stage]) {
        if (!block.at(slot)) continue;
        auto row = measure_linear(layer, *block.at(slot), *hessians[stage]);
        if (!row)
          return row.error().code == ErrorCode::kInterrupted ? row.error()
                                                             : row.error().with_context(block.at(slot)->name);
        rows.push_back(*std::move(row));
        done();
      }
    }
    return rows;
  }

 private:
  Matrix<float> through_block(std::int64_t layer, const Chunk& chunk, Matrix<float> hidden) {
    BlockState state{std::move(hidden), {}};
    forward_.begin_block(layer, state);
    forward_.attend(layer, chunk.sequences, state);
    forward_.project(layer, state);
    forward_.expand(layer, state);
    forward_.finish_block(layer, state);
    return std::move(state.hidden);
  }

  // H of each stage's input; none for a stage without matrices.
  Result<std::vector<std::optional<Matrix<float>>>> collect(std::int64_t layer) {
    std::vector<std::optional<GramAccumulator>> grams(kNumStages);
    for (const auto& chunk : calibration_) {
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      BlockState state{chunk.hidden, {}};
      for (std::size_t stage = 0; stage < kNumStages; ++stage) {
        if (stage == 0) forward_.begin_block(layer, state);
        if (stage == 1) forward_.attend(layer, chunk.sequences, state);
        if (stage == 2) forward_.project(layer, state);
        if (stage == 3) forward_.expand(layer, state);
        if (!grams[stage]) grams[stage].emplace(state.inputs.cols());
        grams[stage]->add(state.inputs.view(), *kernels_.pool);
      }
    }
    std::vector<std::optional<Matrix<float>>> hessians(kNumStages);
    for (std::size_t stage = 0; stage < kNumStages; ++stage) {
      ASSAY_TRY(hessians[stage], grams[stage]->hessian());
    }
    return hessians;
  }

  Result<LayerSensitivity> measure_linear(std::int64_t layer, Linear& linear, const Matrix<float>& hessian) {
    ASSAY_TRY(const Matrix<float> w, dequantize_dense(linear, kernels_));
    LayerSensitivity row{linear.name, w.rows(), w.cols(), 0, {}};
    for (std::size_t f = 0; f < options_.formats.size(); ++f) {
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      GptqOptions gptq = options_.gptq;
      gptq.grid.bits = options_.formats[f].bits;
      gptq.group_size = options_.formats[f].group_size;
      ASSAY_TRY(const HessianFactor factor, prepare_hessian(hessian.view(), gptq));
      ASSAY_TRY(GptqResult result, quantize_gptq(w.view(), factor, gptq, *kernels_.pool));
      row.output_error.push_back(result.error.output);
      if (f != options_.measured) continue;
      Linear original = linear;
      linear.set_quantized(std::make_shared<GroupQuantMatrix>(std::move(result.matrix)),
                           std::move(result.column_order));
      auto kl = divergence_from(layer);
      linear = std::move(original);
      ASSAY_TRY(row.kl, std::move(kl));
    }
    return row;
  }

  // Of the model as it is now, whose blocks before `layer` are those of the float model.
  Result<double> divergence_from(std::int64_t layer) {
    double sum = 0;
    std::int64_t positions = 0;
    for (std::size_t i = 0; i < probe_.size(); ++i) {
      const Chunk& chunk = probe_[i];
      Matrix<float> hidden = chunk.hidden;
      for (std::int64_t l = layer; l < model_.config.num_layers; ++l) {
        ASSAY_RETURN_IF_ERROR(check_interrupt());
        hidden = through_block(l, chunk, std::move(hidden));
      }
      for (std::int64_t begin = 0; begin < hidden.rows(); begin += kLogitRows) {
        const std::int64_t end = std::min(begin + kLogitRows, hidden.rows());
        const Matrix<float> logits = forward_.logits(hidden.view().rows_between(begin, end));
        const auto targets =
            std::span(chunk.targets)
                .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
        ASSAY_TRY(const auto rows, compare_rows(float_logits_[i].view().rows_between(begin, end),
                                                logits.view(), targets, *kernels_.pool));
        for (const auto& position : rows) sum += position.kl;
        positions += end - begin;
      }
    }
    return sum / static_cast<double>(positions);
  }

  LanguageModel& model_;
  const SensitivityOptions& options_;
  KernelContext kernels_;
  Forward forward_;
  std::vector<Chunk> calibration_, probe_;
  std::vector<Matrix<float>> float_logits_;  // of each chunk of the probe
};

Status check(const LanguageModel& model, const SensitivityOptions& options) {
  if (options.measured >= options.formats.size())
    return Error{ErrorCode::kInvalidArgument, "the format to measure is none of the formats"};
  for (const auto& format : options.formats) {
    GptqOptions gptq = options.gptq;
    gptq.grid.bits = format.bits;
    gptq.group_size = format.group_size;
    ASSAY_RETURN_IF_ERROR(check_gptq_options(gptq));
  }
  std::optional<Error> error;
  model.for_each_linear([&](const Linear& linear) {
    if (linear.quantized)
      error = Error{ErrorCode::kUnsupported,
                    linear.name + ": is quantized already; start from the original checkpoint"};
  });
  if (error) return *error;
  return {};
}

}  // namespace

Result<Sensitivities> measure_sensitivity(LanguageModel& model, const CalibrationSet& calibration,
                                          const CalibrationSet& probe, const SensitivityOptions& options,
                                          const std::filesystem::path& path, const KernelContext& kernels,
                                          Progress& progress) {
  ASSAY_RETURN_IF_ERROR(check(model, options));
  const std::string settings = settings_json(model, calibration, probe, options).dump();
  Sensitivities result{options.formats, options.measured, weights_hash(model), num_positions(probe), {}};
  ASSAY_TRY(result.layers, finished_layers(path, settings));
  std::int64_t total = 0;
  model.for_each_linear([&](const Linear&) { ++total; });
  const auto finished = static_cast<std::int64_t>(result.layers.size());
  if (finished == total) return result;
  Meter meter(model, options, kernels);
  ASSAY_RETURN_IF_ERROR(meter.start(calibration, probe));
  std::int64_t done = finished, before = 0;
  for (std::int64_t layer = 0; layer < model.config.num_layers; ++layer) {
    const auto& linears = model.blocks[static_cast<std::size_t>(layer)].linears;
    before +=
        std::count_if(linears.begin(), linears.end(), [](const auto& linear) { return linear.has_value(); });
    if (before > finished) {
      ASSAY_TRY(auto rows,
                meter.measure_block(layer, [&] { progress.update("measuring layers", ++done, total); }));
      std::move(rows.begin(), rows.end(), std::back_inserter(result.layers));
      ASSAY_RETURN_IF_ERROR(write_sensitivities(path, settings, result));
    }
    ASSAY_RETURN_IF_ERROR(meter.pass(layer));
  }
  return result;
}

}  // namespace assay
