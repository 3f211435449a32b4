// assay quantize: a smaller model.
#include <fmt/format.h>

#include <map>

#include "cli/commands.h"
#include "cli/quantize_calibration.h"
#include "cli/quantize_output.h"
#include "engine/load.h"
#include "engine/rotate_stream.h"
#include "flow/model_registry.h"
#include "flow/tune_llm.h"
#include "measure/environment.h"

namespace assay::cli {
namespace {

bool is_tflite(const std::string& model) { return std::filesystem::path(model).extension() == ".tflite"; }

// Which types there are depends on the kind of model.
void check_type(const QuantizeOptions& options) {
  const bool small = options.to == "int4" || options.to == "int3" || options.to == "int2";
  if (is_tflite(options.model) && small)
    throw CLI::ValidationError(
        "--to", options.to + " is not possible for a .tflite model; int8, float16 and float32 are");
  if (!is_tflite(options.model) && options.to.starts_with("float"))
    throw CLI::ValidationError(
        "--to", options.to +
                    " is not possible for a language model; int8 loses next to nothing and is half the size");
}

// The largest of the usual group sizes, up to `most`, that divides the inputs of every layer, so that no
// loader meets a partial group.
std::int64_t fitting_group_size(const LanguageModel& model, std::int64_t most) {
  for (const std::int64_t size : {128, 64, 32}) {
    bool fits = size <= most;
    model.for_each_linear([&](const Linear& linear) { fits = fits && linear.weight.cols % size == 0; });
    if (fits) return size;
  }
  return -1;
}

int effort_of(const QuantizeOptions& options, const LanguageModel& model, Session& session) {
  if (options.effort) return *options.effort;
  // What layers of different widths gain by training is not known, so it does not happen unasked.
  if (!options.best.steps.empty() || options.layers.average_bits) return BestMethod{}.effort;
  const Status trainable = check_trainable_within(model, measure::read_environment().memory_total_bytes, session.kernels());
  const int effort = default_effort(options.quantize.gptq.grid.bits, trainable.has_value());
  if (effort >= 2) {
    session.note(fmt::format("effort {}: two bits want training; --effort 1 takes minutes, and little is left of the model\n", effort));
  } else if (default_effort(options.quantize.gptq.grid.bits, true) >= 2) {
    session.note(fmt::format("effort {}, which leaves little of a model at two bits: {}\n", effort, trainable.error().message));
  }
  return effort;
}

Status run(QuantizeOptions options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  if (options.best.samples) options.calibration.samples = *options.best.samples;
  if (options.best.sequence_length) options.calibration.sequence_length = *options.best.sequence_length;
  options.tflite.calibration = options.calibration_file;
  options.tflite.samples = options.calibration.samples;
  if (is_tflite(path.string()))
    return quantize_tflite_file(path, options.out, options.to, options.tflite, session);
  options.quantize.gptq.grid.bits = options.to[3] - '0';
  ASSAY_TRY(LanguageModel model, load_model(path));
  if (options.group_size) {
    options.quantize.gptq.group_size = *options.group_size;
  } else {
    // Two bits hold so little that a scale for every 32 weights pays.
    const bool two_bits = options.quantize.method == LlmMethod::kBest && options.quantize.gptq.grid.bits <= 2;
    const std::int64_t most = two_bits ? 32 : 128, size = fitting_group_size(model, most);
    options.quantize.gptq.group_size = size;
    if (size != most) {
      session.note(fmt::format("group size {}: {} does not divide the inputs of every layer\n", size, most));
    }
  }
  options.quantize.gptq.grid.sym = !options.asymmetric;
  options.quantize.true_sequential = !options.no_true_sequential;
  if (options.act_order) options.quantize.gptq.order = ColumnOrder::kActivation;
  if (options.quantize.method == LlmMethod::kBest) {
    options.best.effort = effort_of(options, model, session);
    choose_best(options.best, options.quantize, options.calibration);
  }
  if (options.search) options.quantize.gptq.grid.search = *options.search;
  if (options.layers.average_bits) {
    ASSAY_TRY(options.quantize.layers, layers_of_their_own(options.layers, model, options.quantize.gptq));
  }
  // Before the model writes text for minutes.
  ASSAY_RETURN_IF_ERROR(check_quantize_llm(model, options.out, options.quantize, session.kernels()));
  if (options.layers.rotate) ASSAY_RETURN_IF_ERROR(check_rotatable(model));
  ASSAY_TRY(const CalibrationSet calibration, read_calibration(options, path, model, session));
  const ModelSize before = model_size(model);
  ASSAY_RETURN_IF_ERROR(ease_weights(options.layers, model, calibration, options.quantize.gptq, session));
  ASSAY_TRY(const LlmQuantizeReport report,
            quantize_llm(model, path, options.out, calibration, options.quantize, session.kernels(),
                         session.progress()));
  session.print(quantize_text(options, report, before));
  return session.write_json(quantize_json(options, path.string(), report, before));
}

void add_grid_options(CLI::App& command, QuantizeOptions& options) {
  const std::map<std::string, ScaleSearch> searches{
      {"minmax", ScaleSearch::kMinMax}, {"mse", ScaleSearch::kMse}, {"weighted", ScaleSearch::kWeighted}, {"joint", ScaleSearch::kJoint}};
  command
      .add_option("--group-size", options.group_size,
                  "inputs per scale; -1: one scale per row [128, or the largest of 64 and 32 that fits; int2 with --method best: 32]")
      ->type_name("N")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return text == "-1" || (!text.empty() && text.size() < 7 &&
                                    text.find_first_not_of("0123456789") == std::string::npos && text != "0")
                       ? std::string()
                       : "'" + text + "' is neither -1 nor a whole number of at least 1";
          },
          ""));
  auto* symmetric = command.add_flag("--sym", options.best.symmetric, "grids around zero [this; with --method best at 8 bits only]");
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

void add_gptq_options(CLI::App& command, QuantizeOptions& options) {
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

void add_best_options(CLI::App& command, QuantizeOptions& options) {
  std::vector<std::string> steps(std::begin(kBestSteps), std::end(kBestSteps));
  const std::string step_names = fmt::format("{}", fmt::join(steps, ","));
  steps.emplace_back("none");
  auto* effort =
      command
          .add_option("--effort", options.effort, "of --method best: 0: better grids alone, 1: all steps in closed form; and training (int2: instead), on 2: a quarter of a "
                      "million tokens (int2: half a million), 3: a million [1; for int2 2 where the model can be trained]")
          ->type_name("N")
          ->check(CLI::Range(0, 3).description(""));
  command
      .add_option("--steps", options.best.steps,
                  "of --method best: which of its steps are taken, separated by commas; none: GPTQ alone. Training (blocks, distill) "
                  "with no other step than grid starts from the nearest values; distill after others keeps their codes [those of --effort]")
      ->type_name(step_names)
      ->delimiter(',')
      ->check(CLI::IsMember(steps).description(""))
      ->excludes(effort);
  command
      .add_option("--target-strength", options.quantize.closed_form.target_strength,
                  "of --method best: how far targets move to make up for what earlier layers lost, 0 to 1 [what is best on "
                  "calibration text held out]")
      ->type_name("X")
      ->check(CLI::Range(0.0, 1.0).description(""));
}

void add_calibration_options(CLI::App& command, QuantizeOptions& options) {
  auto& calibration = options.calibration;
  command
      .add_option("--calibration", options.calibration_file,
                  "text, lines of {\"text\": ...}, or JSON token ids [built-in text; for training text that the model writes]; for a .tflite model a folder "
                  "of pictures")
      ->type_name("PATH");
  command.add_option("--samples", options.best.samples, "at most so many sequences or pictures [128; for training as many as --effort says]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24).description(""));
  command.add_option("--sequence-length", options.best.sequence_length, "at most so many tokens each [512; for training 256]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24).description(""));
  command.add_flag("--own-text,!--no-own-text", options.fills_calibration,
                   "for training: where --calibration has fewer than --samples sequences, the model writes the others [yes]");
  command.add_option("--seed", calibration.seed, "which parts of the text are taken [0]")->type_name("N");
}

}  // namespace

void add_quantize(CommandLine& line) {
  auto options = std::make_shared<QuantizeOptions>();
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
