// assay generate: continue a text, or write many from nothing for calibration.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "cli/activations_option.h"
#include "cli/commands.h"
#include "engine/load.h"
#include "flow/generate.h"
#include "flow/model_registry.h"
#include "flow/self_calibration.h"

namespace assay::cli {
namespace {

struct Options {
  std::string model, prompt;
  GenerateOptions generate;
  Activations activations = Activations::kRounded;
  bool stream = isatty(STDOUT_FILENO) != 0;
  std::string out;                                     // where sequences go
  SelfCalibrationOptions calibration{.sequences = 0};  // 0: continue the prompt
  std::optional<double> temperature;
  std::uint64_t seed = 0;
};

double per_second(std::int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

nlohmann::ordered_json generation_json(const Options& options, const Generation& result) {
  const SamplingOptions& sampling = options.generate.sampling;
  const auto prompt_tokens = static_cast<std::int64_t>(result.prompt_ids.size());
  return {{"model", options.model},
          {"prompt", options.prompt},
          {"text", result.text},
          {"ids", result.ids},
          {"prompt_tokens", prompt_tokens},
          {"tokens", result.ids.size()},
          {"stop", to_string(result.stop)},
          {"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"seed", sampling.seed},
          {"activations", to_string(options.activations)},
          {"prompt_tokens_per_second", per_second(prompt_tokens, result.prompt_seconds)},
          {"tokens_per_second", per_second(result.steps, result.generation_seconds)}};
}

std::string speed_note(const Options& options, const Generation& result, std::string_view kernels) {
  const auto prompt_tokens = static_cast<std::int64_t>(result.prompt_ids.size());
  return fmt::format(
      "prompt: {} tokens, {:.1f} tokens/s; generated: {} tokens, {:.1f} tokens/s; stopped at {}; activations "
      "{}, kernels {}\n",
      prompt_tokens, per_second(prompt_tokens, result.prompt_seconds), result.ids.size(),
      per_second(result.steps, result.generation_seconds), to_string(result.stop),
      to_string(options.activations), kernels);
}

Status run_calibration(const Options& options, Session& session) {
  ASSAY_RETURN_IF_ERROR(check_writable(options.out));
  ASSAY_TRY(const auto path, resolve_model(options.model));
  ASSAY_TRY(const LanguageModel model, load_model_for(options.activations, path, session));
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  const SelfCalibrationOptions& settings = options.calibration;
  ASSAY_TRY(const SelfCalibrationRun result,
            write_self_calibration(model, tokenizer, options.model, settings, options.out,
                                   session.kernels(options.activations), session.progress()));
  const double speed = per_second(result.computed, result.seconds);
  session.print(fmt::format("{}: {} sequences of {} tokens, seed {}\n", options.out, settings.sequences,
                            settings.sequence_length, settings.seed));
  session.note(fmt::format("{} tokens computed in {:.1f} s, {:.0f} tokens/s; activations {}, kernels {}\n",
                           result.computed, result.seconds, speed, to_string(options.activations),
                           name(session.kernel_table())));
  return session.write_json({{"model", options.model},
                             {"out", options.out},
                             {"sequences", settings.sequences},
                             {"sequence_length", settings.sequence_length},
                             {"tokens", result.tokens},
                             {"temperature", settings.temperature},
                             {"stories", settings.stories},
                             {"answers", settings.answers},
                             {"seed", settings.seed},
                             {"activations", to_string(options.activations)},
                             {"computed_tokens", result.computed},
                             {"seconds", result.seconds},
                             {"tokens_per_second", speed}});
}

Status run_prompt(const Options& options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  ASSAY_TRY(const LanguageModel model, load_model_for(options.activations, path, session));
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  std::function<void(std::string_view)> on_text;
  if (options.stream) {
    on_text = [&](std::string_view text) {
      session.print(text);
      std::fflush(stdout);
    };
  }
  const auto result = generate(model, tokenizer, options.prompt, options.generate,
                               session.kernels(options.activations), on_text);
  if (options.stream) session.print("\n");
  if (!result) return result.error();
  if (!options.stream) session.print(result->text + "\n");
  session.note(speed_note(options, *result, name(session.kernel_table())));
  return session.write_json(generation_json(options, *result));
}

Status run(const Options& options, Session& session) {
  return options.calibration.sequences > 0 ? run_calibration(options, session) : run_prompt(options, session);
}

}  // namespace

void add_generate(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command =
      line.add("generate", "Continue a text, or write texts to calibrate with.",
               "assay generate smollm2-135m --prompt 'The capital of France is' --max-tokens 20");
  add_model(command, options->model, ModelKind::kLanguageModel);
  auto& generate = options->generate;
  auto* prompt = command.add_option("--prompt", options->prompt, "the text to continue")->type_name("TEXT");
  auto* max_tokens =
      command.add_option("--max-tokens", generate.max_tokens, "stop after so many tokens [128]")
          ->type_name("N")
          ->check(CLI::Range(1, 1 << 24).description(""));
  command
      .add_option("--temperature", options->temperature,
                  "0: always the most likely token [0; for --sequences 1]")
      ->type_name("T")
      ->check(CLI::Range(0.0, 100.0).description(""));
  auto* top_k =
      command
          .add_option("--top-k", generate.sampling.top_k, "choose among the K most likely tokens; 0: all [0]")
          ->type_name("K")
          ->check(CLI::Range(0, 1 << 24).description(""));
  auto* top_p = command
                    .add_option("--top-p", generate.sampling.top_p,
                                "choose among the fewest tokens whose probabilities reach P [1]")
                    ->type_name("P")
                    ->check(CLI::Range(1e-9, 1.0).description(""));
  command.add_option("--seed", options->seed, "of the choice among tokens [0]")->type_name("N");
  auto* stream = command.add_flag("--stream,!--no-stream", options->stream,
                                  "print the text as it comes [on a terminal]");
  add_activations(command, options->activations, Activations::kRounded);
  auto* sequences = command
                        .add_option("--sequences", options->calibration.sequences,
                                    "instead of continuing a prompt, write so many texts to calibrate with")
                        ->type_name("N")
                        ->check(CLI::Range(1, 1 << 24).description(""));
  command
      .add_option("--sequence-length", options->calibration.sequence_length,
                  "tokens of each of --sequences [256]")
      ->type_name("N")
      ->check(CLI::Range(2, 1 << 24).description(""))
      ->needs(sequences);
  command
      .add_option("--stories", options->calibration.stories,
                  "share of --sequences that are stories instead of what follows a random token [0.8]")
      ->type_name("SHARE")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->needs(sequences);
  command
      .add_option("--answers", options->calibration.answers,
                  "share of stories that answer a request, for models that know conversations [0.5]")
      ->type_name("SHARE")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->needs(sequences);
  auto* out = command
                  .add_option("-o,--out", options->out,
                              "the token ids of --sequences, as JSON for 'assay quantize --calibration'")
                  ->type_name("FILE")
                  ->needs(sequences);
  sequences->needs(out);
  for (auto* other : {prompt, max_tokens, top_k, top_p, stream}) sequences->excludes(other);
  command.parse_complete_callback([options, prompt, sequences] {
    if (prompt->empty() && sequences->empty()) throw CLI::RequiredError("--prompt or --sequences");
    options->generate.sampling.temperature = options->temperature.value_or(0);
    options->calibration.temperature = options->temperature.value_or(1);
    options->generate.sampling.seed = options->calibration.seed = options->seed;
  });
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
