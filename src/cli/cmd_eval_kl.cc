// assay eval kl: how far a quantized model's predictions are from the original's.
#include <fmt/format.h>

#include "base/mapped_file.h"
#include "cli/activations_option.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "engine/load.h"
#include "flow/calibration.h"
#include "flow/evaluate_divergence.h"
#include "flow/model_registry.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string model, reference, data;
  CalibrationOptions sequences{.samples = 64};
  Activations activations = Activations::kFloat;
};

ordered_json number_or_null(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

std::string report_text(const Options& options, const DivergenceRun& run, std::uint64_t model_bytes) {
  const eval::DivergenceRecord& record = run.record;
  return labelled(
      {{"model", fmt::format("{} ({})", options.model, megabytes(model_bytes))},
       {"reference", options.reference},
       {"data", options.data},
       {"KL divergence",
        fmt::format("{} nats per token (n = {} in {} sequences)",
                    with_error(record.kl_mean, record.kl_stderr, 5), record.positions, record.texts)},
       {"of positions", fmt::format("median {:.5f}, 99 % below {:.4f}, largest {:.3f}", record.kl_median,
                                    record.kl_percentile_99, record.kl_max)},
       {"same top token", with_error(record.same_top, record.same_top_stderr, 4)},
       {"perplexity",
        fmt::format("{:.3f}; of the reference {:.3f}", record.perplexity, record.reference_perplexity)},
       {"ln of their ratio", with_error(record.log_perplexity_ratio, record.log_perplexity_ratio_stderr, 5)},
       {"time", fmt::format("{:.1f} s", run.seconds)}});
}

ordered_json report_json(const Options& options, const DivergenceRun& run, std::uint64_t model_bytes) {
  const eval::DivergenceRecord& record = run.record;
  return {{"model", options.model},
          {"reference", options.reference},
          {"data", options.data},
          {"sequences", record.texts},
          {"positions", record.positions},
          {"kl_mean", record.kl_mean},
          {"kl_stderr", number_or_null(record.kl_stderr)},
          {"kl_median", record.kl_median},
          {"kl_percentile_99", record.kl_percentile_99},
          {"kl_max", record.kl_max},
          {"same_top", record.same_top},
          {"same_top_stderr", number_or_null(record.same_top_stderr)},
          {"perplexity", record.perplexity},
          {"reference_perplexity", record.reference_perplexity},
          {"log_perplexity_ratio", record.log_perplexity_ratio},
          {"log_perplexity_ratio_stderr", number_or_null(record.log_perplexity_ratio_stderr)},
          {"sequence_length", options.sequences.sequence_length},
          {"seed", options.sequences.seed},
          {"activations", to_string(options.activations)},
          {"seconds", run.seconds},
          {"model_bytes", model_bytes}};
}

Status run(const Options& options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  ASSAY_TRY(const auto reference_path, resolve_model(options.reference));
  ASSAY_TRY(const MappedFile file, MappedFile::open(options.data));
  ASSAY_TRY(const LanguageModel model, load_model_for(options.activations, path, session));
  ASSAY_TRY(const LanguageModel reference, load_model(reference_path));
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(reference_path));
  ASSAY_TRY(const CalibrationSet data, parse_calibration(file.bytes(), options.data, tokenizer,
                                                         reference.config.vocab_size, options.sequences));
  ASSAY_TRY(const DivergenceRun result,
            run_divergence(reference, model, tokenizer, data.sequences, session.kernels(options.activations),
                           session.progress()));
  const std::uint64_t model_bytes = model_size(model).total_bytes;
  session.print(report_text(options, result, model_bytes));
  return session.write_json(report_json(options, result, model_bytes));
}

}  // namespace

void add_eval_kl(CommandLine& line, CLI::App& parent) {
  auto options = std::make_shared<Options>();
  CLI::App& command = line.add("kl", "How far are a quantized model's predictions from the original's?",
                               "assay eval kl int4-folder --reference smollm2-135m --data book.txt", &parent);
  add_model(command, options->model, ModelKind::kLanguageModel);
  command.add_option("--reference", options->reference, "the model that MODEL was made from")
      ->type_name("MODEL")
      ->required();
  command
      .add_option(
          "--data", options->data,
          "plain text, JSON lines with \"text\", or token ids as 'assay quantize --calibration' takes them")
      ->type_name("FILE")
      ->required();
  command.add_option("--samples", options->sequences.samples, "at most so many sequences [64]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24).description(""));
  command
      .add_option("--sequence-length", options->sequences.sequence_length,
                  "at most so many tokens each [512]")
      ->type_name("N")
      ->check(CLI::Range(2, 1 << 24).description(""));
  command.add_option("--seed", options->sequences.seed, "which parts of a text are taken [0]")
      ->type_name("N");
  add_activations(command, options->activations, Activations::kFloat);
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
