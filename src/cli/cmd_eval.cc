// assay eval: how well a model predicts text.
#include <fmt/format.h>

#include <algorithm>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "cli/activations_option.h"
#include "cli/builtin_data.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "engine/load.h"
#include "flow/evaluate_llm.h"
#include "flow/model_registry.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

struct LambadaCommand {
  std::string model, data, examples_file;
  LambadaOptions options;
  Activations activations = Activations::kFloat;
};

ordered_json number_or_null(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json by_k(const std::map<int, double>& shares) {
  ordered_json json = ordered_json::object();
  for (const auto& [k, share] : shares) json[std::to_string(k)] = share;
  return json;
}

Result<std::vector<eval::ClozeExample>> read_examples(const std::string& path) {
  if (path.empty()) return eval::parse_cloze_examples(as_bytes(builtin_cloze()));
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  auto examples = eval::parse_cloze_examples(file.bytes());
  if (!examples) return examples.error().with_context(path);
  return examples;
}

ordered_json lambada_json(const LambadaRun& run, const std::string& model, const std::string& data,
                          std::uint64_t model_bytes) {
  const auto& record = run.record;
  ordered_json json{{"model", model},
                    {"data", data},
                    {"examples", record.examples},
                    {"accuracy", record.accuracy},
                    {"accuracy_stderr", number_or_null(record.accuracy_stderr)},
                    {"perplexity", record.perplexity},
                    {"perplexity_stderr", number_or_null(record.perplexity_stderr)},
                    {"top_k", by_k(record.top_k)}};
  json["top_k_stderr"] = ordered_json::object();
  for (const auto& [k, error] : record.top_k_stderr)
    json["top_k_stderr"][std::to_string(k)] = number_or_null(error);
  json["first_token_top_k"] = by_k(record.first_token_top_k);
  json["tokens"] = record.tokens;
  json["near_ties"] = record.near_ties;
  json["truncated"] = record.truncated;
  json["seconds"] = run.seconds;
  json["model_bytes"] = model_bytes;
  return json;
}

std::string lambada_text(const LambadaRun& run, const std::string& model, const std::string& data,
                         std::uint64_t model_bytes) {
  const auto& record = run.record;
  const std::string n = fmt::format(" (n = {})", record.examples);
  std::vector<std::pair<std::string, std::string>> lines{
      {"model", fmt::format("{} ({})", model, megabytes(model_bytes))},
      {"data", data},
      {"accuracy", with_error(record.accuracy, record.accuracy_stderr, 4) + n},
      {"perplexity", with_error(record.perplexity, record.perplexity_stderr, 3) + " per word" + n}};
  for (const auto& [k, share] : record.top_k) {
    lines.emplace_back(fmt::format("top {}", k), fmt::format("{}{}; first token alone {:.4f}",
                                                             with_error(share, record.top_k_stderr.at(k), 4),
                                                             n, record.first_token_top_k.at(k)));
  }
  lines.emplace_back("near ties", fmt::format("{} examples that rounding may flip", record.near_ties));
  if (record.truncated > 0)
    lines.emplace_back("truncated", fmt::format("{} examples longer than the context", record.truncated));
  lines.emplace_back("time", fmt::format("{:.1f} s", run.seconds));
  return labelled(lines);
}

// One line per example, for comparing two models passage by passage.
Status write_examples(const std::string& path, const LambadaRun& run) {
  std::string text;
  for (std::size_t i = 0; i < run.examples.size(); ++i) {
    const auto& example = run.examples[i];
    ordered_json line{{"index", i},
                      {"correct", eval::is_correct(example)},
                      {"log_prob", 0.0},
                      {"ranks", ordered_json::array()},
                      {"truncated", example.truncated}};
    double log_prob = 0;
    for (const auto& token : example.tokens) {
      log_prob += token.log_prob;
      line["ranks"].push_back(token.rank);
    }
    line["log_prob"] = log_prob;
    text += line.dump() + "\n";
  }
  return write_file_atomically(path, text);
}

Status run(const LambadaCommand& command, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(command.model));
  ASSAY_TRY(const auto data, read_examples(command.data));
  if (!command.examples_file.empty()) ASSAY_RETURN_IF_ERROR(check_writable(command.examples_file));
  ASSAY_TRY(const LanguageModel model, load_model_for(command.activations, path, session));
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  ASSAY_TRY(const LambadaRun result,
            run_lambada(model, tokenizer, data, command.options, session.kernels(command.activations), session.progress()));
  const std::uint64_t model_bytes = model_size(model).total_bytes;
  const std::string data_name = command.data.empty() ? kBuiltinClozeName : command.data;
  session.print(lambada_text(result, path.string(), data_name, model_bytes));
  if (command.activations == Activations::kRounded)
    session.print("Inputs of layers were rounded to 8 bits: compare with --activations float before you cite this.\n");
  if (!command.examples_file.empty()) ASSAY_RETURN_IF_ERROR(write_examples(command.examples_file, result));
  ordered_json json = lambada_json(result, path.string(), data_name, model_bytes);
  json["activations"] = to_string(command.activations);
  return session.write_json(std::move(json));
}

struct PerplexityCommand {
  std::string model, data;
  PerplexityOptions options;
  Activations activations = Activations::kFloat;
};

Status run(const PerplexityCommand& command, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(command.model));
  ASSAY_TRY(const MappedFile text, MappedFile::open(command.data));
  ASSAY_TRY(const LanguageModel model, load_model_for(command.activations, path, session));
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  const auto result = run_perplexity(model, tokenizer, as_text(text.bytes()), command.options,
                                     session.kernels(command.activations), session.progress());
  if (!result) return result.error().with_context(command.data);
  const auto& record = result->record;
  const std::uint64_t model_bytes = model_size(model).total_bytes;
  std::optional<double> perplexity_stderr;
  if (record.nll_stderr) perplexity_stderr = record.perplexity * *record.nll_stderr;
  session.print(labelled(
      {{"model", fmt::format("{} ({})", path.string(), megabytes(model_bytes))},
       {"data", command.data},
       {"perplexity", fmt::format("{} per token (n = {})",
                                  with_error(record.perplexity, perplexity_stderr, 3), record.tokens)},
       {"bits per byte", record.bits_per_byte ? fmt::format("{:.4f}", *record.bits_per_byte)
                                              : "not available: not every token is scored"},
       {"windows", fmt::format("{} tokens, {} apart", result->context_length, result->stride)},
       {"time", fmt::format("{:.1f} s", result->seconds)}}));
  return session.write_json({{"model", path.string()},
                             {"data", command.data},
                             {"tokens", record.tokens},
                             {"perplexity", record.perplexity},
                             {"perplexity_stderr", number_or_null(perplexity_stderr)},
                             {"nll_mean", record.nll_mean},
                             {"nll_stderr", number_or_null(record.nll_stderr)},
                             {"bits_per_byte", number_or_null(record.bits_per_byte)},
                             {"context_length", result->context_length},
                             {"stride", result->stride},
                             {"seconds", result->seconds},
                             {"model_bytes", model_bytes},
                             {"activations", to_string(command.activations)}});
}

struct LogitsCommand {
  std::string model, prompt;
  std::vector<int> ids;
};

Status run(const LogitsCommand& command, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(command.model));
  ASSAY_TRY(const LanguageModel model, load_model(path));
  std::vector<std::int32_t> ids(command.ids.begin(), command.ids.end());
  if (ids.empty()) {
    ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
    ASSAY_TRY(ids, tokenizer.encode(command.prompt, true));
  }
  ASSAY_TRY(const Matrix<float> logits, run_logits(model, ids, session.kernels()));
  ordered_json rows = ordered_json::array();
  TextTable table({{"position", TextTable::Align::kRight}, {"id", TextTable::Align::kRight}, {"most likely next", TextTable::Align::kRight}, {"logit", TextTable::Align::kRight}});
  for (std::int64_t t = 0; t < logits.rows(); ++t) {
    const std::vector<float> row(logits.row(t), logits.row(t) + logits.cols());
    const auto best = std::max_element(row.begin(), row.end());
    table.add_row({std::to_string(t), std::to_string(ids[static_cast<std::size_t>(t)]), std::to_string(best - row.begin()), fmt::format("{:.4f}", *best)});
    rows.push_back(row);
  }
  session.print(table.render());
  return session.write_json({{"model", path.string()}, {"ids", ids}, {"logits", std::move(rows)}});
}

void add_lambada(CommandLine& line, CLI::App& parent) {
  auto options = std::make_shared<LambadaCommand>();
  CLI::App& command =
      line.add("lambada", "Is the last word of a passage what the model would have written?",
               "assay eval lambada smollm2-135m --data lambada_test.jsonl --limit 1000", &parent);
  add_model(command, options->model, ModelKind::kLanguageModel);
  command
      .add_option("--data", options->data,
                  "passages: JSON lines with \"text\", or one passage per line [built-in cloze set]")
      ->type_name("FILE");
  command.add_option("--limit", options->options.limit, "only the first so many passages")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30).description(""));
  add_number_list(command, "--top-k", options->options.top_k,
                  "also count words among the K most likely [1,5,10]");
  command
      .add_option("--examples", options->examples_file,
                  "write the result of every passage to this file, as JSON lines")
      ->type_name("FILE");
  add_activations(command, options->activations, Activations::kFloat);
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

void add_perplexity(CommandLine& line, CLI::App& parent) {
  auto options = std::make_shared<PerplexityCommand>();
  CLI::App& command = line.add("perplexity", "How well is a long text predicted, token by token?",
                               "assay eval perplexity smollm2-135m --data book.txt --context 2048", &parent);
  add_model(command, options->model, ModelKind::kLanguageModel);
  command.add_option("--data", options->data, "plain text")->type_name("FILE")->required();
  command
      .add_option("--context", options->options.context_length,
                  "tokens read at once [the model's context, at most 2048]")
      ->type_name("N")
      ->check(CLI::Range(2, 1 << 30).description(""));
  command.add_option("--stride", options->options.stride, "how far windows advance [they do not overlap]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30).description(""));
  command.add_option("--limit", options->options.limit_tokens, "only the first so many tokens")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30).description(""));
  add_activations(command, options->activations, Activations::kFloat);
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

void add_logits(CommandLine& line, CLI::App& parent) {
  auto options = std::make_shared<LogitsCommand>();
  CLI::App& command = line.add("logits", "The raw logits of every position, for comparing with other programs.",
                               "assay eval logits smollm2-135m --prompt \"The capital of France is\" --json logits.json", &parent);
  add_model(command, options->model, ModelKind::kLanguageModel);
  auto* prompt = command.add_option("--prompt", options->prompt, "text to tokenize")->type_name("TEXT");
  auto* ids = command.add_option("--ids", options->ids, "token ids, as they are")->type_name("N,...")->delimiter(',')->excludes(prompt);
  prompt->excludes(ids);
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace

void add_eval(CommandLine& line) {
  CLI::App& group =
      line.add_group("eval", "Measure how well a model predicts.", "assay eval lambada smollm2-135m");
  add_lambada(line, group);
  add_perplexity(line, group);
  add_eval_kl(line, group);
  add_logits(line, group);
  add_eval_coco(line, group);
  add_eval_detections(line, group);
}

}  // namespace assay::cli
