#include "flow/measure_sensitivity.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "base/interrupt.h"
#include "flow/block_quantizer.h"
#include "flow/block_stream.h"
#include "flow/evaluate_divergence.h"
#include "flow/weights_hash.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kLogitRows = 256;

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
    ASSAY_TRY(calibration_, BlockStream::create(forward_, calibration, Reads::kAll));
    ASSAY_TRY(probe_, BlockStream::create(forward_, probe, Reads::kPredict));
    for (const auto& chunk : probe_->chunks()) {
      Matrix<float> hidden = chunk.hidden;
      for (std::int64_t layer = 0; layer < model_.config.num_layers; ++layer) {
        ASSAY_RETURN_IF_ERROR(check_interrupt());
        hidden = probe_->behind_block(layer, chunk, std::move(hidden));
      }
      float_logits_.push_back(forward_.logits(hidden.view()));
    }
    return {};
  }

  // Moves both sets behind the block.
  Status pass(std::int64_t layer) {
    ASSAY_RETURN_IF_ERROR(calibration_->pass(layer));
    return probe_->pass(layer);
  }

  // Every matrix of a block that both sets stand before.
  template <typename Done>
  Result<std::vector<LayerSensitivity>> measure_block(std::int64_t layer, Done done) {
    ASSAY_TRY(const StageHessians hessians, calibration_->hessians(layer, *kernels_.pool));
    std::vector<LayerSensitivity> rows;
    Block& block = model_.blocks[static_cast<std::size_t>(layer)];
    for (std::size_t stage = 0; stage < kNumBlockStages; ++stage) {
      for (const Slot slot : slots_of(static_cast<BlockStage>(stage))) {
        if (!block.at(slot)) continue;
        auto row = measure_linear(layer, *block.at(slot), hessians[stage]);
        if (!row && row.error().code == ErrorCode::kInterrupted) return row.error();
        if (!row) return row.error().with_context(block.at(slot)->name);
        rows.push_back(*std::move(row));
        done();
      }
    }
    return rows;
  }

 private:
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
    for (std::size_t i = 0; i < probe_->chunks().size(); ++i) {
      const BlockStream::Chunk& chunk = probe_->chunks()[i];
      Matrix<float> hidden = chunk.hidden;
      for (std::int64_t l = layer; l < model_.config.num_layers; ++l) {
        ASSAY_RETURN_IF_ERROR(check_interrupt());
        hidden = probe_->behind_block(l, chunk, std::move(hidden));
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
  std::optional<BlockStream> calibration_, probe_;  // after start()
  std::vector<Matrix<float>> float_logits_;         // of each chunk of the probe
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
