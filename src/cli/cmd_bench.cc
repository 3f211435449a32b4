// assay bench: how fast a model runs.
#include <fmt/format.h>

#include "cli/activations_option.h"
#include "cli/bench_tflite.h"
#include "cli/commands.h"
#include "cli/llm_profile_output.h"
#include "cli/text.h"
#include "flow/bench_llm.h"
#include "flow/model_registry.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string model;
  LlmBenchOptions bench;
};

// The share of the machine's read bandwidth that the weights of generation take; nothing for prompts.
std::optional<double> bandwidth_share(const LlmBenchRow& row) {
  if (!row.bandwidth_bytes_per_second || row.weight_bytes_per_second == 0) return std::nullopt;
  return row.weight_bytes_per_second / *row.bandwidth_bytes_per_second;
}

std::string table_text(const LlmBench& bench) {
  using enum TextTable::Align;
  TextTable table({{"test"},
                   {"threads", kRight},
                   {"tokens/s (mean +- sd)", kRight},
                   {"median", kRight},
                   {"weights GB/s", kRight},
                   {"of bandwidth", kRight},
                   {"other load", kRight}});
  for (const auto& row : bench.rows) {
    const auto share = bandwidth_share(row);
    const auto& other = row.timing.other_cpu_share;
    table.add_row(
        {row.test, std::to_string(row.threads), with_error(row.tokens_per_second, row.stddev, 2),
         fmt::format("{:.2f}", row.median_tokens_per_second),
         row.weight_bytes_per_second > 0 ? fmt::format("{:.2f}", row.weight_bytes_per_second / 1e9) : "-",
         share ? fmt::format("{:.0f} %", 100 * *share) : "-",
         other ? fmt::format("{:.0f} %{}", 100 * *other, row.timing.noisy ? " (noisy)" : "") : "-"});
  }
  return table.render();
}

std::string summary_text(const std::string& path, const Options& options, const LlmBench& bench,
                         const KernelTable& table) {
  return labelled(
      {{"model", path},
       {"size", fmt::format("{} ({} read per token)", megabytes(bench.size.total_bytes),
                            megabytes(bench.size.read_per_token_bytes))},
       {"activations", to_string(options.bench.activations)},
       {"kernels", std::string(name(table))},
       {"repetitions", fmt::format("{}, after one that does not count", options.bench.repetitions)},
       {"peak memory", bench.peak_rss_bytes > 0 ? megabytes(bench.peak_rss_bytes) : "not available"},
       {"energy", bench.joules_per_token ? fmt::format("{:.3f} J per generated token ({})",
                                                       *bench.joules_per_token, bench.energy_note)
                                         : "not available: " + bench.energy_note}});
}

ordered_json rows_json(const std::string& path, const Options& options, const LlmBench& bench,
                       const Session& session) {
  ordered_json list = ordered_json::array();
  for (const auto& row : bench.rows) {
    ordered_json json{{"test", row.test},
                      {"threads", row.threads},
                      {"tokens_per_second", row.tokens_per_second},
                      {"stddev", nullptr},
                      {"repetitions", row.timing.seconds.size()},
                      {"model_bytes", bench.size.total_bytes},
                      {"weight_bytes_per_second", row.weight_bytes_per_second}};
    if (row.stddev) json["stddev"] = *row.stddev;
    json["median_tokens_per_second"] = row.median_tokens_per_second;
    json["seconds"] = row.timing.seconds;
    if (row.bandwidth_bytes_per_second) json["bandwidth_bytes_per_second"] = *row.bandwidth_bytes_per_second;
    if (const auto share = bandwidth_share(row)) json["bandwidth_share"] = *share;
    if (row.timing.other_cpu_share) json["other_cpu_share"] = *row.timing.other_cpu_share;
    json["noisy"] = row.timing.noisy;
    json["activations"] = to_string(options.bench.activations);
    json["read_per_token_bytes"] = bench.size.read_per_token_bytes;
    if (bench.peak_rss_bytes > 0) json["peak_rss_bytes"] = bench.peak_rss_bytes;
    if (bench.joules_per_token) json["joules_per_token"] = *bench.joules_per_token;
    json["energy_note"] = bench.energy_note;
    json["model"] = path;
    if (row.profile) json["operators"] = profile_json(*row.profile, row.bandwidth_bytes_per_second);
    session.add_context(json);
    list.push_back(std::move(json));
  }
  return list;
}

Status run(Options options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  if (path.extension() == ".tflite")
    return bench_tflite_file(path, options.bench.threads, options.bench.operators, session);
  ASSAY_TRY(const LanguageModel model, load_model_for(options.bench.activations, path, session));
  if (options.bench.threads.empty()) options.bench.threads = {session.threads()};
  ASSAY_TRY(const LlmBench bench,
            bench_llm(model, options.bench, session.kernel_table(), session.progress()));
  std::string text =
      summary_text(path.string(), options, bench, session.kernel_table()) + "\n" + table_text(bench);
  for (const auto& row : bench.rows) {
    if (row.profile) text += "\n" + profile_text(row);
  }
  session.print(text);
  return session.write_json(rows_json(path.string(), options, bench, session));
}

}  // namespace

void add_bench(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command = line.add("bench", "Measure how fast a model reads prompts and generates, or a .tflite detector's latency.",
                               "assay bench smollm2-135m -p 512 -n 128 -r 5 -t 1,2", nullptr,
                               CommandLine::Threads::kOwnOption);
  add_model(command, options->model, ModelKind::kAny);
  auto& bench = options->bench;
  command
      .add_option("-p,--prompt-tokens", bench.prompt_tokens, "length of the prompt; 0: no prompt test [512]")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 24).description(""));
  command
      .add_option("-n,--generated-tokens", bench.generated_tokens,
                  "tokens generated one by one; 0: no generation test [128]")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 24).description(""));
  command.add_option("-r,--repetitions", bench.repetitions, "of each test; they are interleaved [5]")
      ->type_name("N")
      ->check(CLI::Range(1, 100000).description(""));
  add_number_list(command, "-t,--threads", bench.threads, "numbers of threads to measure with [all]");
  add_activations(command, bench.activations, Activations::kRounded);
  command.add_flag("--operators", bench.operators,
                   "where the time goes: of a language model by operation, in a run of its own after the timed "
                   "ones; of a .tflite model every kernel, and every operator that XNNPACK did not take");
  command.callback([options] {
    if (options->bench.prompt_tokens == 0 && options->bench.generated_tokens == 0) {
      throw CLI::ValidationError("-p 0 -n 0", "nothing is left to measure");
    }
  });
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
