#include "flow/quantize_llm.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "engine/load.h"
#include "flow/block_quantizer.h"
#include "flow/gptq_folder.h"
#include "flow/quantize_resume.h"
#include "flow/weights_hash.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::int64_t kTokensBeforeTraining = 65536;

// The embedding is looked up row by row, so its error is not weighed by calibration: fine groups keep it small.
// At 8 bits twice as many inputs share a scale without that showing beside the error of the blocks.
std::int64_t embedding_group_size(int bits, std::int64_t inputs) { return bits == 8 && inputs % 64 == 0 ? 64 : 32; }

Status check_output(const fs::path& out) {
  std::error_code error;
  if (!fs::exists(out, error)) return {};
  if (fs::is_directory(out, error) && fs::is_empty(out, error)) return {};
  return Error{ErrorCode::kInvalidArgument, out.string() + ": exists already; name another output or remove it"};
}

Status check_layers(const LanguageModel& model, const LlmQuantizeOptions& options) {
  std::optional<Error> error;
  model.for_each_linear([&](const Linear& linear) {
    if (error) return;
    const std::int64_t group = gptq_options_of(options, linear.name).group_size;
    if (linear.quantized) {
      error = Error{ErrorCode::kUnsupported, linear.name + ": is quantized already; start from the original checkpoint"};
    } else if (group > 0 && linear.weight.cols % group != 0) {
      error = Error{ErrorCode::kInvalidArgument, "group size " + std::to_string(group) + " does not divide the " + std::to_string(linear.weight.cols) +
                                                     " inputs of " + linear.name + "; choose a divisor, such as 64 or 32, or -1 for one group per row"};
    }
  });
  if (error) return *error;
  return {};
}

ordered_json to_json(const TrainingRates& rates) { return {rates.latent, rates.scale, rates.zero, rates.norm}; }

// What the result of training depends on.
ordered_json to_json(const TuneOptions& tune) {
  ordered_json out = ordered_json::object();
  if (tune.blocks) out["blocks"] = {tune.blocks->epochs, tune.blocks->sequences_per_step, to_json(tune.blocks->rates), tune.blocks->seed};
  if (tune.model) out["model"] = {tune.model->epochs, tune.model->sequences_per_step, tune.model->rows_at_once, to_json(tune.model->rates), tune.model->seed};
  return out;
}

// What identifies the run: a partial result of other settings, data or weights must not be continued.
std::string fingerprint(const LanguageModel& model, const CalibrationSet& calibration, const LlmQuantizeOptions& options) {
  const GptqOptions& g = options.gptq;
  ordered_json layers = ordered_json::object();
  for (const auto& [name, layer] : options.layers) layers[name] = {layer.bits, layer.group_size};
  const ClosedFormOptions& c = options.closed_form;
  ordered_json settings{{"method", to_string(options.method)},
                              {"bits", g.grid.bits},
                              {"sym", g.grid.sym},
                              {"search", static_cast<int>(g.grid.search)},
                              {"norm", g.grid.norm},
                              {"min_zero", g.grid.min_zero},
                              {"group_size", g.group_size},
                              {"order", static_cast<int>(g.order)},
                              {"static_groups", g.static_groups},
                              {"damp", g.damp},
                              {"block_size", g.block_size},
                              {"true_sequential", options.true_sequential},
                              {"embedding_bits", options.embedding_bits.value_or(0)},
                              {"calibration", calibration.hash},
                              {"layers", layers},
                              {"weights", weights_hash(model)}};
  if (options.method == LlmMethod::kBest) settings["solve_codes"] = options.solve_codes;
  if (solves_codes(options)) {
    settings["closed_form"] = {{"equal_tokens", options.equal_tokens}, {"targets", c.targets}, {"descent", c.descent}, {"refit", c.refit}, {"fit", c.fit}, {"restart", c.restart}, {"max_restarts", c.max_restarts},
                               {"target_strength", c.target_strength.value_or(-1.0)}, {"shrinkage", c.shrinkage},
                               {"max_rounds", c.max_rounds}, {"min_gain", c.min_gain}};
  }
  if (options.tune) settings["tune"] = to_json(*options.tune);
  return settings.dump();
}

// The same model without the files that its weights lie in, which stay with `model`: what remains of it when that is quantized.
LanguageModel borrow(const LanguageModel& model) {
  LanguageModel out;
  out.config = model.config;
  out.embedding = model.embedding;
  out.positions = model.positions;
  out.project_in = model.project_in;
  out.project_out = model.project_out;
  out.blocks = model.blocks;
  out.final_norm = model.final_norm;
  out.head = model.head;
  return out;
}

GptqConfig checkpoint_config(const LanguageModel& model, const LlmQuantizeOptions& options) {
  GptqConfig config;
  config.bits = options.gptq.grid.bits;
  config.group_size = options.gptq.group_size;
  config.desc_act = options.method != LlmMethod::kRtn && options.gptq.order == ColumnOrder::kActivation && !options.gptq.static_groups;
  config.sym = options.gptq.grid.sym;
  // GPTQModel loads asymmetric v1 files only from its own hand; v1 could not hold a zero point of 0 anyway.
  config.format = config.sym ? GptqFormat::kV1 : GptqFormat::kV2;
  if (options.method != LlmMethod::kRtn) config.damp_percent = options.gptq.damp;
  config.true_sequential = options.true_sequential;
  config.static_groups = options.gptq.static_groups;
  const auto override_for = [&](const std::string& name, int bits, std::int64_t group_size, bool sym) {
    std::string pattern = "^";
    for (const char c : name) pattern += c == '.' ? std::string("\\.") : std::string(1, c);
    config.dynamic.push_back({pattern + "$", false, bits, group_size, false, sym});
  };
  for (const auto& [name, layer] : options.layers) override_for(name, layer.bits, layer.group_size, config.sym);
  if (options.embedding_bits) {
    const std::int64_t group_size = embedding_group_size(*options.embedding_bits, model.embedding.weight.cols);
    override_for(model.embedding.name, *options.embedding_bits, group_size, false);
    if (model.head) override_for(model.head->name, *options.embedding_bits, group_size, false);
  }
  const ordered_json meta{{"quantizer", "assay:0.1.0"}, {"method", to_string(options.method)}};
  config.meta_json = meta.dump();
  return config;
}

Status quantize_embeddings(LanguageModel& model, const LlmQuantizeOptions& options, const KernelContext& kernels, std::vector<LayerReport>& reports) {
  LlmQuantizeOptions embedding = options;
  embedding.layers.clear();
  embedding.gptq.grid.bits = *options.embedding_bits;
  embedding.gptq.grid.sym = false;
  embedding.gptq.grid.min_zero = 1;  // so that it fits into a v1 file beside symmetric matrices
  embedding.gptq.grid.search = ScaleSearch::kMinMax;
  embedding.gptq.group_size = embedding_group_size(*options.embedding_bits, model.embedding.weight.cols);
  ASSAY_TRY(LayerReport report, quantize_linear_rtn(model.embedding, embedding, kernels));
  reports.push_back(std::move(report));
  if (!model.head) return {};
  ASSAY_TRY(LayerReport head, quantize_linear_rtn(*model.head, embedding, kernels));
  reports.push_back(std::move(head));
  return {};
}

Status quantize_blocks_rtn(LanguageModel& model, const LlmQuantizeOptions& options, const KernelContext& kernels, Progress& progress,
                           LlmQuantizeReport& report) {
  for (std::size_t layer = 0; layer < model.blocks.size(); ++layer) {
    for (auto& linear : model.blocks[layer].linears) {
      if (!linear) continue;
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      ASSAY_TRY(LayerReport row, quantize_linear_rtn(*linear, options, kernels));
      report.layers.push_back(std::move(row));
    }
    progress.update("quantizing", static_cast<std::int64_t>(layer + 1), static_cast<std::int64_t>(model.blocks.size()));
  }
  return {};
}

// Second moments of inputs settle long before training has enough text.
CalibrationSet first_tokens(const CalibrationSet& calibration, std::int64_t most) {
  CalibrationSet out;
  out.hash = calibration.hash;
  for (const auto& sequence : calibration.sequences) {
    most -= static_cast<std::int64_t>(sequence.size());
    if (most < 0 && !out.sequences.empty()) break;
    out.sequences.push_back(sequence);
  }
  return out;
}

Status quantize_blocks_calibrated(LanguageModel& model, const CalibrationSet& calibration, const LlmQuantizeOptions& options, const KernelContext& kernels,
                                  QuantizeResume& resume, Progress& progress, LlmQuantizeReport& report) {
  std::vector<Block> float_blocks;
  if (options.method == LlmMethod::kBest) float_blocks = model.blocks;
  const auto add_report = [&report](BlockReport block) {
    report.layers.insert(report.layers.end(), std::make_move_iterator(block.layers.begin()), std::make_move_iterator(block.layers.end()));
    if (block.held_out_error) report.block_errors.push_back(*block.held_out_error);
  };
  std::int64_t finished = 0;
  while (finished < model.config.num_layers && resume.has_block(finished)) {
    ASSAY_TRY(BlockReport block, resume.load_block(finished, model.blocks[static_cast<std::size_t>(finished)]));
    add_report(std::move(block));
    ++finished;
  }
  report.resumed_blocks = finished;
  if (finished == model.config.num_layers) return {};
  ASSAY_TRY(BlockQuantizer quantizer, BlockQuantizer::create(model, std::move(float_blocks), calibration, options, kernels, resume.folder()));
  for (std::int64_t layer = 0; layer < model.config.num_layers; ++layer) {
    if (layer < finished) {
      ASSAY_RETURN_IF_ERROR(quantizer.pass_through(layer, progress));
      continue;
    }
    ASSAY_TRY(BlockReport block, quantizer.quantize(layer, progress));
    ASSAY_RETURN_IF_ERROR(resume.save_block(layer, model.blocks[static_cast<std::size_t>(layer)], block));
    add_report(std::move(block));
  }
  return {};
}

Status quantize_model(LanguageModel& model, const CalibrationSet& calibration, const LlmQuantizeOptions& options, const KernelContext& kernels,
                      QuantizeResume& resume, Progress& progress, LlmQuantizeReport& report) {
  const std::optional<LanguageModel> original = options.tune ? std::optional(borrow(model)) : std::nullopt;
  if (needs_calibration(options)) {
    report.calibration_sequences = static_cast<std::int64_t>(calibration.sequences.size());
    report.calibration_tokens = calibration.num_tokens();
    const CalibrationSet first = first_tokens(calibration, original ? kTokensBeforeTraining : report.calibration_tokens);
    ASSAY_RETURN_IF_ERROR(quantize_blocks_calibrated(model, first, options, kernels, resume, progress, report));
  } else {
    ASSAY_RETURN_IF_ERROR(quantize_blocks_rtn(model, options, kernels, progress, report));
  }
  if (original) {
    ASSAY_TRY(report.tuning, tune_llm(*original, model, calibration, *options.tune, resume.folder(), kernels, progress));
  }
  if (options.embedding_bits) ASSAY_RETURN_IF_ERROR(quantize_embeddings(model, options, kernels, report.layers));
  return {};
}

}  // namespace

const char* to_string(LlmMethod method) {
  switch (method) {
    case LlmMethod::kRtn: return "rtn";
    case LlmMethod::kGptq: return "gptq";
    case LlmMethod::kBest: return "best";
  }
  return "";
}

GptqOptions gptq_options_of(const LlmQuantizeOptions& options, const std::string& name) {
  GptqOptions gptq = options.gptq;
  const auto layer = options.layers.find(name);
  if (layer == options.layers.end()) return gptq;
  gptq.grid.bits = layer->second.bits;
  gptq.group_size = layer->second.group_size;
  return gptq;
}

bool needs_calibration(const LlmQuantizeOptions& options) {
  return options.method != LlmMethod::kRtn || options.tune || weighs_errors(options.gptq.grid.search);
}

Status check_quantize_llm(const LanguageModel& model, const fs::path& out, const LlmQuantizeOptions& options, const KernelContext& kernels) {
  ASSAY_RETURN_IF_ERROR(check_output(out));
  ASSAY_RETURN_IF_ERROR(check_gptq_options(options.gptq));
  ASSAY_RETURN_IF_ERROR(check_closed_form_options(options.closed_form));
  if (options.method == LlmMethod::kBest && !options.true_sequential) {
    return Error{ErrorCode::kInvalidArgument, "the best method quantizes a block's layers one after the other; leave true_sequential on"};
  }
  ASSAY_RETURN_IF_ERROR(check_layers(model, options));
  if (options.tune) ASSAY_RETURN_IF_ERROR(check_trainable(model, kernels));
  return {};
}

Result<LlmQuantizeReport> quantize_llm(LanguageModel& model, const fs::path& source, const fs::path& out, const CalibrationSet& calibration,
                                       const LlmQuantizeOptions& options, const KernelContext& kernels, Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  ASSAY_RETURN_IF_ERROR(check_quantize_llm(model, out, options, kernels));
  ASSAY_TRY(QuantizeResume resume, QuantizeResume::open(out, fingerprint(model, calibration, options), options.restart));

  LlmQuantizeReport report;
  const Status quantized = quantize_model(model, calibration, options, kernels, resume, progress, report);
  if (!quantized && quantized.error().code == ErrorCode::kInterrupted) {
    return Error{ErrorCode::kInterrupted, "interrupted; finished blocks are kept in " + resume.folder().string() + ", run the same command to go on"};
  }
  ASSAY_RETURN_IF_ERROR(quantized);

  ASSAY_TRY(const fs::path folder, resume.result_folder());
  ASSAY_TRY(report.output_bytes, write_gptq_folder(model, checkpoint_config(model, options), source, folder, kernels));
  // Reading the result back proves that it loads, and gives the sizes as they are stored.
  ASSAY_TRY(const LanguageModel written, load_model(folder));
  report.size = model_size(written);
  ASSAY_RETURN_IF_ERROR(resume.publish());
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace assay
