// assay quantize: a smaller model.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/mapped_file.h"
#include "cli/builtin_data.h"
#include "cli/commands.h"
#include "cli/layer_options.h"
#include "cli/quantize_tflite.h"
#include "cli/text.h"
#include "engine/load.h"
#include "flow/calibration.h"
#include "flow/fold_weights.h"
#include "flow/model_registry.h"
#include "flow/quantize_llm.h"
#include "flow/self_calibration.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kWorstLayers = 10;
// Of training. Many small steps take a model further than few large ones over the same tokens.
constexpr std::int64_t kTokensPerStep = 512;
constexpr std::int64_t kTokensOfEffort2 = 1 << 18, kTokensOfEffort3 = 1 << 20;

struct Options {
  std::string model, out, calibration_file;
  bool symmetric = false;  // the default, to say it
  bool asymmetric = false;
  bool act_order = false;
  bool no_true_sequential = false;
  std::optional<std::int64_t> group_size;
  std::optional<ScaleSearch> search;
  std::optional<int> effort;
  std::optional<std::int64_t> samples, sequence_length;
  std::vector<std::string> steps;
  LayerOptions layers;
  LlmQuantizeOptions quantize;
  CalibrationOptions calibration;
  std::string to;
  TfliteOptions tflite;
};

bool is_tflite(const std::string& model) { return std::filesystem::path(model).extension() == ".tflite"; }

// Which types there are depends on the kind of model.
void check_type(const Options& options) {
  const bool small = options.to == "int4" || options.to == "int3" || options.to == "int2";
  if (is_tflite(options.model) && small)
    throw CLI::ValidationError(
        "--to", options.to + " is not possible for a .tflite model; int8, float16 and float32 are");
  if (!is_tflite(options.model) && options.to.starts_with("float"))
    throw CLI::ValidationError(
        "--to", options.to +
                    " is not possible for a language model; int8 loses next to nothing and is half the size");
}

// The largest of the usual group sizes that divides the inputs of every layer, so that no loader meets a
// partial group.
std::int64_t fitting_group_size(const LanguageModel& model) {
  for (const std::int64_t size : {128, 64, 32}) {
    bool fits = true;
    model.for_each_linear([&](const Linear& linear) { fits = fits && linear.weight.cols % size == 0; });
    if (fits) return size;
  }
  return -1;
}

// A file that is named is read all the same: that it cannot be is told.
bool reads_calibration(const Options& options) {
  return needs_calibration(options.quantize) || options.layers.fold || !options.calibration_file.empty();
}

std::string calibration_name(const Options& options) {
  if (!reads_calibration(options)) return "none";
  return options.calibration_file.empty() ? kBuiltinCalibrationName : options.calibration_file;
}

// Training is worth text like that which the model will read, of which the built-in one is no sample: without a file the
// model writes its own beside the result, where the next run finds it.
Status write_own_calibration(Options& options, const std::filesystem::path& path, const LanguageModel& model, Session& session) {
  if (!options.quantize.tune || !options.calibration_file.empty()) return {};
  ASSAY_RETURN_IF_ERROR(check_quantize_llm(model, options.out, options.quantize, session.kernels()));
  options.calibration_file = options.out + ".calibration.json";
  if (std::filesystem::exists(options.calibration_file)) return {};
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  const SelfCalibrationOptions own{.sequences = options.calibration.samples,
                                   .sequence_length = options.calibration.sequence_length,
                                   .seed = options.calibration.seed};
  session.note("no --calibration: the model writes its own text to " + options.calibration_file + "\n");
  ASSAY_TRY(const auto run, write_self_calibration(model, tokenizer, options.model, own, options.calibration_file, session.kernels(), session.progress()));
  session.note(fmt::format("{}: {} tokens in {:.0f} s\n", options.calibration_file, run.computed, run.seconds));
  return {};
}

Result<CalibrationSet> read_calibration(const Options& options, const std::filesystem::path& path,
                                        const LanguageModel& model) {
  if (!reads_calibration(options)) return CalibrationSet{};
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  if (options.calibration_file.empty()) {
    return parse_calibration(as_bytes(builtin_calibration()), kBuiltinCalibrationName, tokenizer,
                             model.config.vocab_size, options.calibration);
  }
  ASSAY_TRY(const MappedFile file, MappedFile::open(options.calibration_file));
  return parse_calibration(file.bytes(), options.calibration_file, tokenizer, model.config.vocab_size,
                           options.calibration);
}

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

ordered_json settings_json(const Options& options) {
  const GptqOptions& gptq = options.quantize.gptq;
  ordered_json json{{"method", assay::to_string(options.quantize.method)},
                    {"bits", gptq.grid.bits},
                    {"group_size", gptq.group_size},
                    {"sym", gptq.grid.sym},
                    {"search", to_string(gptq.grid.search)}};
  json["fold"] = options.layers.fold;
  if (options.layers.average_bits) {
    json["average_bits"] = *options.layers.average_bits;
    json["sensitivity"] = options.layers.sensitivity_file;
  }
  if (options.quantize.method == LlmMethod::kBest) json["solve_codes"] = options.quantize.solve_codes;
  if (solves_codes(options.quantize)) {
    const ClosedFormOptions& closed = options.quantize.closed_form;
    json["steps"] = {{"targets", closed.targets}, {"tokens", options.quantize.equal_tokens}, {"descent", closed.descent}, {"refit", closed.refit}, {"fit", closed.fit}, {"restart", closed.restart}};
    json["target_strength"] = closed.target_strength ? ordered_json(*closed.target_strength) : ordered_json("held-out");
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
      json["steps"].push_back({{"step", step.step}, {"before", step.before}, {"after", step.after}, {"kept", step.kept}});
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
      auto found = std::find_if(steps.begin(), steps.end(), [&](const auto& known) { return known.first == step.step; });
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
    table.add_row({name, fmt::format("{:.5f}", sum.before / sum.layers), fmt::format("{:.5f}", sum.after / sum.layers),
                   fmt::format("{} of {} layers", sum.kept, sum.layers)});
  }
  return table.render() + "\n";
}

void add_training_lines(const TuneReport& tuning, std::vector<std::pair<std::string, std::string>>& lines) {
  if (!tuning.blocks.empty()) {
    lines.emplace_back("blocks", fmt::format("error behind the last one {:.3f} from {:.3f}, held out", tuning.blocks.back().error,
                                             tuning.blocks.back().start_error));
  }
  if (tuning.model) {
    lines.emplace_back("distillation", fmt::format("KL divergence {:.3f} from {:.3f} nats per token, held out", tuning.model->kl,
                                                   tuning.model->start_kl));
  }
}

ordered_json tuning_json(const std::optional<TuneReport>& tuning) {
  if (!tuning) return nullptr;
  ordered_json json{{"seconds", tuning->seconds}, {"resumed_blocks", tuning->resumed_blocks}, {"blocks", ordered_json::array()}, {"distillation", nullptr}};
  for (const auto& block : tuning->blocks)
    json["blocks"].push_back({{"start_error", block.start_error}, {"error", block.error}, {"steps", block.steps}, {"seconds", block.seconds}});
  if (const auto& model = tuning->model) {
    json["distillation"] = {{"start_kl", model->start_kl}, {"kl", model->kl}, {"steps", model->steps}, {"resumed_steps", model->resumed_steps}, {"seconds", model->seconds}};
  }
  return json;
}

std::string summary_text(const Options& options, const LlmQuantizeReport& report, const ModelSize& before) {
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
  if (options.layers.average_bits) {
    std::map<int, int> layers_with;
    for (const auto& layer : report.layers) ++layers_with[layer.bits];
    std::string counts;
    for (const auto& [bits, count] : layers_with) counts += fmt::format("{}{} with {} bits", counts.empty() ? "" : ", ", count, bits);
    lines.emplace_back("layers", fmt::format("{}; at most {} bits for each weight of the blocks on average", counts, *options.layers.average_bits));
  }
  if (report.tuning) add_training_lines(*report.tuning, lines);
  if (report.resumed_blocks > 0)
    lines.emplace_back("resumed", fmt::format("{} blocks were done already", report.resumed_blocks));
  return labelled(lines);
}

// What `best` means where nothing else was asked for.
void choose_best(Options& options) {
  GptqOptions& gptq = options.quantize.gptq;
  // A grid about zero wastes a quarter of four values, an eighth of eight, and fits weights that lie aside of it badly.
  if (gptq.grid.bits < 8 && !options.symmetric) gptq.grid.sym = false;
  const auto takes = [&](const char* step) {
    if (!options.steps.empty()) return std::find(options.steps.begin(), options.steps.end(), step) != options.steps.end();
    return options.effort.value_or(1) > 0 || std::string_view(step) == "grid";
  };
  ClosedFormOptions& closed = options.quantize.closed_form;
  const auto trains = [&](const char* step, int effort) {
    return options.steps.empty() ? options.effort.value_or(1) >= effort : takes(step);
  };
  TuneOptions tune;
  if (options.steps.empty() || !takes("blocks")) tune.blocks.reset();
  if (!trains("distill", 2)) tune.model.reset();
  if (tune.model) {
    CalibrationOptions& calibration = options.calibration;
    if (!options.sequence_length) calibration.sequence_length = 256;
    const std::int64_t tokens = options.effort == 2 ? kTokensOfEffort2 : kTokensOfEffort3;
    if (!options.samples) calibration.samples = std::max<std::int64_t>(2, tokens / calibration.sequence_length);
    tune.model->sequences_per_step = std::max<std::int64_t>(1, kTokensPerStep / calibration.sequence_length);
  }
  if (tune.blocks || tune.model) options.quantize.tune = tune;
  // Training starts from the nearest values unless a step that solves for codes is named.
  const auto solves = [&](const std::string& step) { return step != "grid" && step != "blocks" && step != "distill"; };
  options.quantize.solve_codes = !options.quantize.tune || std::any_of(options.steps.begin(), options.steps.end(), solves);
  closed.targets = takes("targets");
  options.quantize.equal_tokens = takes("tokens");
  closed.descent = takes("descent");
  closed.refit = takes("refit");
  closed.fit = takes("fit");
  closed.restart = takes("restart");
  if (takes("grid")) gptq.grid.search = ScaleSearch::kJoint;
  // Columns stay in their groups, which the steps after GPTQ rely on.
  if (options.act_order || gptq.order == ColumnOrder::kActivation) gptq.static_groups = true;
}

Status run(Options options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  if (options.samples) options.calibration.samples = *options.samples;
  if (options.sequence_length) options.calibration.sequence_length = *options.sequence_length;
  options.tflite.calibration = options.calibration_file;
  options.tflite.samples = options.calibration.samples;
  if (is_tflite(path.string()))
    return quantize_tflite_file(path, options.out, options.to, options.tflite, session);
  options.quantize.gptq.grid.bits = options.to[3] - '0';
  ASSAY_TRY(LanguageModel model, load_model(path));
  if (options.group_size) {
    options.quantize.gptq.group_size = *options.group_size;
  } else {
    options.quantize.gptq.group_size = fitting_group_size(model);
    if (options.quantize.gptq.group_size != 128) {
      session.note(fmt::format("group size {}: 128 does not divide the inputs of every layer\n",
                               options.quantize.gptq.group_size));
    }
  }
  options.quantize.gptq.grid.sym = !options.asymmetric;
  options.quantize.true_sequential = !options.no_true_sequential;
  if (options.quantize.method == LlmMethod::kBest) choose_best(options);
  if (options.search) options.quantize.gptq.grid.search = *options.search;
  if (options.act_order) options.quantize.gptq.order = ColumnOrder::kActivation;
  if (options.layers.average_bits) {
    ASSAY_TRY(options.quantize.layers, layers_of_their_own(options.layers, model, options.quantize.gptq));
  }
  ASSAY_RETURN_IF_ERROR(write_own_calibration(options, path, model, session));
  ASSAY_TRY(const CalibrationSet calibration, read_calibration(options, path, model));
  const ModelSize before = model_size(model);
  if (options.layers.fold) {
    ASSAY_TRY(const auto folds, fold_weights(model, calibration, options.quantize.gptq, session.kernels(), session.progress()));
    session.note(folds_text(folds));
  }
  ASSAY_TRY(const LlmQuantizeReport report,
            quantize_llm(model, path, options.out, calibration, options.quantize, session.kernels(),
                         session.progress()));
  session.print(summary_text(options, report, before) + "\n" + step_table(report.layers) + worst_layers(report.layers));
  return session.write_json({{"model", path.string()},
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
                             {"layers", layers_json(report.layers)}});
}

void add_grid_options(CLI::App& command, Options& options) {
  const std::map<std::string, ScaleSearch> searches{
      {"minmax", ScaleSearch::kMinMax}, {"mse", ScaleSearch::kMse}, {"weighted", ScaleSearch::kWeighted}, {"joint", ScaleSearch::kJoint}};
  command
      .add_option("--group-size", options.group_size,
                  "inputs per scale; -1: one scale per row [128, or the largest of 64 and 32 that fits]")
      ->type_name("N")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return text == "-1" || (!text.empty() && text.size() < 7 &&
                                    text.find_first_not_of("0123456789") == std::string::npos && text != "0")
                       ? std::string()
                       : "'" + text + "' is neither -1 nor a whole number of at least 1";
          },
          ""));
  auto* symmetric = command.add_flag("--sym", options.symmetric, "grids around zero [this]");
  command.add_flag("--asym", options.asymmetric, "grids from the smallest to the largest value")
      ->excludes(symmetric);
  command
      .add_option(
          "--search", options.search,
          "how scales are found: cover all values, or least error, weighted by activations or not, or scale and "
          "zero point jointly [minmax; with --method best joint]")
      ->type_name("minmax|mse|weighted|joint")
      ->transform(CLI::CheckedTransformer(searches).description(""));
  command
      .add_option("--embeddings", options.quantize.embedding_bits,
                  "round embedding and head, too; other programs cannot read that")
      ->type_name("int8|int4")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, int>{{"int8", 8}, {"int4", 4}}).description(""));
}

void add_gptq_options(CLI::App& command, Options& options) {
  auto& gptq = options.quantize.gptq;
  const std::map<std::string, ColumnOrder> orders{{"natural", ColumnOrder::kNatural},
                                                  {"activation", ColumnOrder::kActivation},
                                                  {"group-aware", ColumnOrder::kGroupAware}};
  auto* order =
      command.add_option("--order", gptq.order, "in which order columns are quantized [group-aware]")
          ->type_name("natural|activation|group-aware")
          ->transform(CLI::CheckedTransformer(orders).description(""));
  command.add_flag("--act-order", options.act_order, "the same as --order activation")->excludes(order);
  command.add_flag("--static-groups", gptq.static_groups, "find all scales before the first column");
  command.add_option("--damp", gptq.damp, "added to the Hessian's diagonal, in units of its mean [0.05]")
      ->type_name("X")
      ->check(CLI::Range(1e-9, 1.0).description(""));
  command.add_flag("--no-true-sequential", options.no_true_sequential,
                   "all layers of a block see its unquantized inputs");
}

void add_best_options(CLI::App& command, Options& options) {
  auto* effort =
      command
          .add_option("--effort", options.effort, "of --method best: 0: better grids alone, 1: all steps in closed form; instead of these training, on 2: a quarter "
                      "of a million tokens, 3: a million [1]")
          ->type_name("N")
          ->check(CLI::Range(0, 3).description(""));
  command
      .add_option("--steps", options.steps,
                  "of --method best: which of its steps are taken, separated by commas; none: GPTQ alone. Training (blocks, distill) "
                  "with no other step than grid starts from the nearest values [those of --effort]")
      ->type_name("targets,tokens,grid,gptq,descent,refit,fit,restart,blocks,distill")
      ->delimiter(',')
      ->check(CLI::IsMember({"targets", "tokens", "grid", "gptq", "descent", "refit", "fit", "restart", "blocks", "distill", "none"}).description(""))
      ->excludes(effort);
  command
      .add_option("--target-strength", options.quantize.closed_form.target_strength,
                  "of --method best: how far targets move to make up for what earlier layers lost, 0 to 1 [what is best on "
                  "calibration text held out]")
      ->type_name("X")
      ->check(CLI::Range(0.0, 1.0).description(""));
}

void add_calibration_options(CLI::App& command, Options& options) {
  auto& calibration = options.calibration;
  command
      .add_option("--calibration", options.calibration_file,
                  "text, lines of {\"text\": ...}, or JSON token ids [built-in text; for training text that the model writes]; for a .tflite model a folder "
                  "of pictures")
      ->type_name("PATH");
  command.add_option("--samples", options.samples, "at most so many sequences or pictures [128; for training as many as --effort says]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24).description(""));
  command.add_option("--sequence-length", options.sequence_length, "at most so many tokens each [512; for training 256]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24).description(""));
  command.add_option("--seed", calibration.seed, "which parts of the text are taken [0]")->type_name("N");
}

}  // namespace

void add_quantize(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command =
      line.add("quantize", "Write a smaller model: a language model in GPTQ format, a detector as .tflite.",
               "assay quantize smollm2-135m --to int4 --asym -o smollm2-int4");
  add_model(command, options->model, ModelKind::kAny);
  command.add_option("--to", options->to, "the type of the weights; float types for .tflite files only")
      ->type_name("int8|int4|int3|int2|float16|float32")
      ->required()
      ->check(CLI::IsMember({"int8", "int4", "int3", "int2", "float16", "float32"}).description(""));
  command.parse_complete_callback([options] { check_type(*options); });
  command
      .add_option("-o,--out", options->out,
                  "folder to write, which must not exist yet; of a .tflite model the file")
      ->type_name("PATH")
      ->required();
  const std::map<std::string, LlmMethod> methods{{"best", LlmMethod::kBest}, {"gptq", LlmMethod::kGptq}, {"rtn", LlmMethod::kRtn}};
  command
      .add_option("--method", options->quantize.method,
                  "plain GPTQ, GPTQ with every step that helps, or plain rounding to the nearest [gptq]")
      ->type_name("best|gptq|rtn")
      ->transform(CLI::CheckedTransformer(methods).description(""));
  add_best_options(command, *options);
  add_grid_options(command, *options);
  add_gptq_options(command, *options);
  add_layer_options(command, options->layers);
  add_calibration_options(command, *options);
  add_tflite_options(command, options->tflite);
  command.add_flag("--restart", options->quantize.restart,
                   "forget what an interrupted run left, instead of going on from it");
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
