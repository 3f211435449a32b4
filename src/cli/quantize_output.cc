#include "cli/quantize_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/quantize_calibration.h"
#include "cli/text.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

constexpr double kWorthAHint = 0.3;
constexpr std::size_t kWorstLayers = 10;

const char* to_string(ScaleSearch search) {
  switch (search) {
    case ScaleSearch::kMinMax:
      return "minmax";
    case ScaleSearch::kMse:
      return "mse";
    case ScaleSearch::kWeighted:
      return "weighted";
    case ScaleSearch::kJoint:
      return "joint";
  }
  return "";
}

const char* to_string(ColumnOrder order) {
  switch (order) {
    case ColumnOrder::kNatural:
      return "natural";
    case ColumnOrder::kActivation:
      return "activation";
    case ColumnOrder::kGroupAware:
      return "group-aware";
  }
  return "";
}

ordered_json settings_json(const QuantizeOptions& options) {
  const GptqOptions& gptq = options.quantize.gptq;
  ordered_json json{{"method", assay::to_string(options.quantize.method)},
                    {"bits", gptq.grid.bits},
                    {"group_size", gptq.group_size},
                    {"sym", gptq.grid.sym},
                    {"search", to_string(gptq.grid.search)}};
  json["rotate"] = options.layers.rotate;
  json["fold"] = options.layers.fold;
  if (options.layers.average_bits) {
    json["average_bits"] = *options.layers.average_bits;
    json["sensitivity"] = options.layers.sensitivity_file;
  }
  if (options.quantize.method == LlmMethod::kBest) json["solve_codes"] = options.quantize.solve_codes;
  if (solves_codes(options.quantize)) {
    const ClosedFormOptions& closed = options.quantize.closed_form;
    json["steps"] = {{"targets", closed.targets}, {"tokens", options.quantize.equal_tokens},
                     {"descent", closed.descent}, {"refit", closed.refit},
                     {"fit", closed.fit},         {"restart", closed.restart}};
    json["target_strength"] =
        closed.target_strength ? ordered_json(*closed.target_strength) : ordered_json("held-out");
  }
  if (options.quantize.method != LlmMethod::kRtn) {
    json["order"] = to_string(gptq.order);
    json["static_groups"] = gptq.static_groups;
    json["damp"] = gptq.damp;
    json["true_sequential"] = options.quantize.true_sequential;
  }
  if (options.quantize.embedding_bits) json["embedding_bits"] = *options.quantize.embedding_bits;
  json["calibration"] = {{"data", calibration_name(options)},
                         {"samples", options.calibration.samples},
                         {"sequence_length", options.calibration.sequence_length},
                         {"seed", options.calibration.seed}};
  return json;
}

ordered_json layers_json(const std::vector<LayerReport>& layers) {
  ordered_json list = ordered_json::array();
  for (const auto& layer : layers) {
    ordered_json json{{"name", layer.name},
                      {"bits", layer.bits},
                      {"rows", layer.rows},
                      {"cols", layer.cols},
                      {"weight_error", layer.weight_error},
                      {"output_error", nullptr}};
    if (layer.output_error) json["output_error"] = *layer.output_error;
    json["damp_used"] = layer.damp_used;
    json["damp_retries"] = layer.damp_retries;
    json["seconds"] = layer.seconds;
    if (layer.target_strength) json["target_strength"] = *layer.target_strength;
    if (layer.held_out_error) json["held_out_error"] = *layer.held_out_error;
    for (const auto& step : layer.steps) {
      json["steps"].push_back(
          {{"step", step.step}, {"before", step.before}, {"after", step.after}, {"kept", step.kept}});
    }
    list.push_back(std::move(json));
  }
  return list;
}

// The layers whose outputs suffer most; by their weights where outputs are not known.
std::string worst_layers(std::vector<LayerReport> layers) {
  const auto error = [](const LayerReport& layer) { return layer.output_error.value_or(layer.weight_error); };
  std::stable_sort(layers.begin(), layers.end(),
                   [&](const auto& a, const auto& b) { return error(a) > error(b); });
  using enum TextTable::Align;
  TextTable table({{"worst layers"},
                   {"bits", kRight},
                   {"shape", kRight},
                   {"weight error", kRight},
                   {"output error", kRight},
                   {"damping", kRight}});
  for (std::size_t i = 0; i < std::min(kWorstLayers, layers.size()); ++i) {
    const auto& layer = layers[i];
    table.add_row({layer.name, std::to_string(layer.bits), fmt::format("{} x {}", layer.rows, layer.cols),
                   fmt::format("{:.5f}", layer.weight_error),
                   layer.output_error ? fmt::format("{:.6f}", *layer.output_error) : "-",
                   layer.damp_used > 0
                       ? fmt::format("{:g}{}", layer.damp_used, layer.damp_retries > 0 ? " (raised)" : "")
                       : "-"});
  }
  return table.render();
}

// What each step did to the outputs' error, and where it was dropped.
std::string step_table(const std::vector<LayerReport>& layers) {
  struct Sum {
    double before = 0, after = 0;
    int layers = 0, kept = 0;
  };
  std::vector<std::pair<std::string, Sum>> steps;
  for (const auto& layer : layers) {
    for (const auto& step : layer.steps) {
      auto found = std::find_if(steps.begin(), steps.end(),
                                [&](const auto& known) { return known.first == step.step; });
      if (found == steps.end()) found = steps.insert(steps.end(), {step.step, {}});
      found->second.before += step.before;
      found->second.after += step.after;
      ++found->second.layers;
      found->second.kept += step.kept ? 1 : 0;
    }
  }
  if (steps.empty()) return "";
  using enum TextTable::Align;
  TextTable table({{"step"}, {"mean error before", kRight}, {"after", kRight}, {"kept in", kRight}});
  for (const auto& [name, sum] : steps) {
    table.add_row({name, fmt::format("{:.3g}", sum.before / sum.layers),
                   fmt::format("{:.3g}", sum.after / sum.layers),
                   fmt::format("{} of {} layers", sum.kept, sum.layers)});
  }
  return table.render() + "\n";
}

void add_training_lines(const TuneReport& tuning, std::vector<std::pair<std::string, std::string>>& lines) {
  if (!tuning.blocks.empty()) {
    lines.emplace_back("blocks", fmt::format("error behind the last one {:.3f} from {:.3f}, held out",
                                             tuning.blocks.back().error, tuning.blocks.back().start_error));
  }
  if (tuning.model) {
    lines.emplace_back("distillation",
                       fmt::format("KL divergence {:.3f} from {:.3f} nats per token, held out",
                                   tuning.model->kl, tuning.model->start_kl));
  }
}

ordered_json tuning_json(const std::optional<TuneReport>& tuning) {
  if (!tuning) return nullptr;
  ordered_json json{{"seconds", tuning->seconds},
                    {"resumed_blocks", tuning->resumed_blocks},
                    {"blocks", ordered_json::array()},
                    {"distillation", nullptr}};
  for (const auto& block : tuning->blocks)
    json["blocks"].push_back({{"start_error", block.start_error},
                              {"error", block.error},
                              {"steps", block.steps},
                              {"seconds", block.seconds}});
  if (const auto& model = tuning->model) {
    json["distillation"] = {{"start_kl", model->start_kl},
                            {"kl", model->kl},
                            {"steps", model->steps},
                            {"resumed_steps", model->resumed_steps},
                            {"seconds", model->seconds}};
  }
  return json;
}

std::string summary_text(const QuantizeOptions& options, const LlmQuantizeReport& report,
                         const ModelSize& before) {
  const GptqOptions& gptq = options.quantize.gptq;
  std::vector<std::pair<std::string, std::string>> lines{
      {"written", fmt::format("{} ({})", options.out, megabytes(report.output_bytes))},
      {"method", fmt::format("{}, int{}, group size {}, {}, {} search",
                             assay::to_string(options.quantize.method), gptq.grid.bits, gptq.group_size,
                             gptq.grid.sym ? "symmetric" : "asymmetric", to_string(gptq.grid.search))},
      {"calibration", fmt::format("{}: {} sequences, {} tokens", calibration_name(options),
                                  report.calibration_sequences, report.calibration_tokens)},
      {"size", fmt::format("{} from {}; matrices {} from {}; embedding {} from {}",
                           megabytes(report.size.total_bytes), megabytes(before.total_bytes),
                           megabytes(report.size.linear_bytes), megabytes(before.linear_bytes),
                           megabytes(report.size.embedding_bytes), megabytes(before.embedding_bytes))},
      {"time", fmt::format("{:.1f} s", report.seconds)}};
  const double of_embedding =
      static_cast<double>(report.size.embedding_bytes) / static_cast<double>(report.size.total_bytes);
  if (!options.quantize.embedding_bits && of_embedding > kWorthAHint) {
    lines.emplace_back("hint",
                       fmt::format("{:.0f} % of that is the embedding, 16 bits a weight: --embeddings int8 "
                                   "rounds it, too, for Assay alone",
                                   100 * of_embedding));
  }
  if (options.layers.average_bits) {
    std::map<int, int> layers_with;
    for (const auto& layer : report.layers) ++layers_with[layer.bits];
    std::string counts;
    for (const auto& [bits, count] : layers_with)
      counts += fmt::format("{}{} with {} bits", counts.empty() ? "" : ", ", count, bits);
    lines.emplace_back("layers", fmt::format("{}; at most {} bits for each weight of the blocks on average",
                                             counts, *options.layers.average_bits));
  }
  if (report.tuning) add_training_lines(*report.tuning, lines);
  if (report.resumed_blocks > 0)
    lines.emplace_back("resumed", fmt::format("{} blocks were done already", report.resumed_blocks));
  return labelled(lines);
}

}  // namespace

std::string quantize_text(const QuantizeOptions& options, const LlmQuantizeReport& report,
                          const ModelSize& before) {
  return summary_text(options, report, before) + "\n" + step_table(report.layers) +
         worst_layers(report.layers);
}

ordered_json quantize_json(const QuantizeOptions& options, const std::string& model,
                           const LlmQuantizeReport& report, const ModelSize& before) {
  return {{"model", model},
          {"out", options.out},
          {"settings", settings_json(options)},
          {"calibration_sequences", report.calibration_sequences},
          {"calibration_tokens", report.calibration_tokens},
          {"resumed_blocks", report.resumed_blocks},
          {"seconds", report.seconds},
          {"model_bytes", report.size.total_bytes},
          {"linear_bytes", report.size.linear_bytes},
          {"embedding_bytes", report.size.embedding_bytes},
          {"source_bytes", before.total_bytes},
          {"output_bytes", report.output_bytes},
          {"block_errors", report.block_errors},
          {"training", tuning_json(report.tuning)},
          {"layers", layers_json(report.layers)}};
}

}  // namespace assay::cli
