// assay sensitivity: what quantizing each layer alone does to a model, for bits that differ from layer to
// layer.
#include <fmt/format.h>

#include <algorithm>

#include "cli/builtin_data.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "engine/load.h"
#include "flow/measure_sensitivity.h"
#include "flow/model_registry.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kShownLayers = 12;

struct Options {
  std::string model, out, calibration_file, probe_file;
  CalibrationOptions calibration;
  std::int64_t probe_samples = 4;
  std::int64_t group_size = 64;
};

// 2, 3, 4 and 8 bits, the lowest also with half the group.
std::vector<LayerBits> formats_for(std::int64_t group_size) {
  std::vector<LayerBits> formats;
  for (const int bits : {2, 3, 4, 8}) {
    formats.push_back({bits, group_size});
    if (bits <= 3 && group_size % 2 == 0 && group_size > 16) formats.push_back({bits, group_size / 2});
  }
  return formats;
}

std::string table_of(const Sensitivities& result) {
  std::vector<LayerSensitivity> layers = result.layers;
  std::stable_sort(layers.begin(), layers.end(), [](const auto& a, const auto& b) { return a.kl > b.kl; });
  TextTable table({{"most sensitive"},
                   {"KL, nats", TextTable::Align::kRight},
                   {"error of outputs, %", TextTable::Align::kRight}});
  for (std::size_t i = 0; i < std::min(layers.size(), kShownLayers); ++i) {
    table.add_row({printable(layers[i].name), fmt::format("{:.5f}", layers[i].kl),
                   fmt::format("{:.2f}", 100 * layers[i].output_error[result.measured])});
  }
  return table.render();
}

Status run(const Options& options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  ASSAY_TRY(LanguageModel model, load_model(path));
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  const BuiltinCalibration builtin{builtin_calibration(), kBuiltinCalibrationName};
  ASSAY_TRY(const CalibrationSet calibration,
            read_calibration(options.calibration_file, builtin, tokenizer, model.config.vocab_size,
                             options.calibration));
  CalibrationOptions probe_options = options.calibration;
  probe_options.samples = options.probe_samples;
  ASSAY_TRY(const CalibrationSet probe,
            read_calibration(options.probe_file, builtin, tokenizer, model.config.vocab_size, probe_options));
  SensitivityOptions settings;
  settings.formats = formats_for(options.group_size);
  settings.gptq.grid.sym = false;
  settings.gptq.grid.search = ScaleSearch::kWeighted;
  ASSAY_TRY(const Sensitivities result, measure_sensitivity(model, calibration, probe, settings, options.out,
                                                            session.kernels(), session.progress()));
  const LayerBits& measured = result.formats[result.measured];
  session.print(table_of(result));
  session.print(
      fmt::format("{}: {} layers alone at {} bits, group {}; KL to the float model over {} positions of {}\n",
                  options.out, result.layers.size(), measured.bits, measured.group_size,
                  result.probe_positions, options.probe_file));
  return session.write_json({{"model", options.model},
                             {"out", options.out},
                             {"calibration_tokens", calibration.num_tokens()},
                             {"probe", options.probe_file},
                             {"probe_positions", result.probe_positions},
                             {"layers", result.layers.size()}});
}

}  // namespace

void add_sensitivity(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command =
      line.add("sensitivity", "Measure which layers of a language model need more bits.",
               "assay sensitivity smollm2-135m --calibration ids.json --probe other.json -o layers.json");
  add_model(command, options->model, ModelKind::kLanguageModel);
  command
      .add_option("--calibration", options->calibration_file,
                  "text or token ids to quantize on, as 'assay quantize' takes them [built-in text]")
      ->type_name("FILE");
  command
      .add_option("--probe", options->probe_file, "text or token ids to compare predictions on: other ones")
      ->type_name("FILE")
      ->required();
  command
      .add_option("-o,--out", options->out,
                  "the result, for 'assay quantize --average-bits'; an unfinished one goes on")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--samples", options->calibration.samples, "at most so many sequences to quantize on [128]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24).description(""));
  command.add_option("--probe-samples", options->probe_samples, "at most so many to compare on [4]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24).description(""));
  command
      .add_option("--sequence-length", options->calibration.sequence_length,
                  "at most so many tokens each [512]")
      ->type_name("N")
      ->check(CLI::Range(2, 1 << 24).description(""));
  command.add_option("--seed", options->calibration.seed, "which parts of a text are taken [0]")
      ->type_name("N");
  command
      .add_option("--group-size", options->group_size,
                  "inputs per scale; 2 and 3 bits also with half as many [64]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24).description(""));
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
