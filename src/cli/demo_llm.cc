#include "cli/demo_llm.h"

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "cli/builtin_data.h"
#include "cli/text.h"
#include "engine/load.h"
#include "eval/cloze_data.h"
#include "flow/calibration.h"
#include "flow/llm_study.h"
#include "flow/model_registry.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

constexpr int kGroupSize = 64;
constexpr std::int64_t kDefaultLimit =
    1000;  // of a data set given: the whole of LAMBADA four times takes an hour

std::string p_value_text(const LlmStudyRow& row) {
  if (!row.against_float) return "-";
  const auto& paired = *row.against_float;
  if (paired.p_value >= 0.05) return fmt::format("not distinguishable (p = {:.2f})", paired.p_value);
  return fmt::format("{} (p {})", paired.difference < 0 ? "lower" : "higher",
                     paired.p_value < 0.001 ? "< 0.001" : fmt::format("= {:.3f}", paired.p_value));
}

std::string table_text(const LlmStudy& study) {
  using enum TextTable::Align;
  TextTable table({{"weights"},
                   {"MB", kRight},
                   {"without embedding", kRight},
                   {"accuracy", kRight},
                   {"top 5", kRight},
                   {"top 10", kRight},
                   {"perplexity", kRight},
                   {"generated tokens/s", kRight},
                   {"prompt tokens/s", kRight},
                   {"accuracy against float"}});
  for (const auto& row : study.rows) {
    const std::string noise = row.noisy ? " (noisy)" : "";
    table.add_row(
        {row.variant + (row.dequantized ? " *" : ""),
         fmt::format("{:.1f}", static_cast<double>(row.size.total_bytes) / 1e6),
         fmt::format("{:.1f}", static_cast<double>(row.size.total_bytes - row.size.embedding_bytes) / 1e6),
         with_error(row.record.accuracy, row.record.accuracy_stderr, 4),
         fmt::format("{:.4f}", row.record.top_k.at(5)), fmt::format("{:.4f}", row.record.top_k.at(10)),
         fmt::format("{:.4g}", row.record.perplexity),
         with_error(row.generated_tokens_per_second, row.generated_stddev, 1) + noise,
         with_error(row.prompt_tokens_per_second, row.prompt_stddev, 0) + noise, p_value_text(row)});
  }
  return table.render();
}

ordered_json rows_json(const LlmStudy& study) {
  ordered_json rows = ordered_json::array();
  for (const auto& row : study.rows) {
    ordered_json json{{"variant", row.variant},
                      {"dequantized_reference", row.dequantized},
                      {"model_bytes", row.size.total_bytes},
                      {"embedding_bytes", row.size.embedding_bytes},
                      {"linear_bytes", row.size.linear_bytes},
                      {"examples", row.record.examples},
                      {"accuracy", row.record.accuracy},
                      {"accuracy_stderr", nullptr},
                      {"perplexity", row.record.perplexity}};
    if (row.record.accuracy_stderr) json["accuracy_stderr"] = *row.record.accuracy_stderr;
    for (const auto& [k, share] : row.record.top_k) json["top_k"][std::to_string(k)] = share;
    json["near_ties"] = row.record.near_ties;
    json["generated_tokens_per_second"] = row.generated_tokens_per_second;
    json["generated_stddev"] = row.generated_stddev;
    json["prompt_tokens_per_second"] = row.prompt_tokens_per_second;
    json["prompt_stddev"] = row.prompt_stddev;
    json["noisy"] = row.noisy;
    if (row.quantization_seconds) json["quantization_seconds"] = *row.quantization_seconds;
    if (row.against_float) {
      json["against_float"] = {{"difference", row.against_float->difference},
                               {"p_value", row.against_float->p_value},
                               {"only_float_correct", row.against_float->only_first},
                               {"only_this_correct", row.against_float->only_second}};
    }
    rows.push_back(std::move(json));
  }
  return rows;
}

std::string notes_text(const LlmDemoOptions& options, const LlmStudy& study, const std::string& data_name,
                       const std::string& path, int threads) {
  std::string text = fmt::format(
      "\nModel {}; data {}, n = {}; standard errors behind +-, for speeds the deviation of {} repetitions; "
      "{} threads.\n",
      path, data_name, study.rows[0].record.examples, options.study.repetitions, threads);
  text += fmt::format("Quantized by {} with group size {}, calibrated on {}. The embedding stays float16.\n",
                      to_string(options.study.quantize.method), options.study.quantize.gptq.group_size,
                      kBuiltinCalibrationName);
  if (study.rows[0].dequantized) {
    text +=
        "* The reference is itself dequantized: the file holds quantized weights, whose values as floats are "
        "what the others are compared with. Its size is\n"
        "  that of the file; losses against the original float weights, which are not here, would differ.\n";
  }
  text += "Generation rounds activations to 8 bits, evaluation does not.\n";
  if (study.resumed) text += "Some rows were measured by an earlier run and not repeated.\n";
  return text;
}

}  // namespace

Result<ordered_json> run_llm_demo(LlmDemoOptions options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  std::string data_name = kBuiltinClozeName;
  std::vector<eval::ClozeExample> data;
  if (options.data.empty()) {
    ASSAY_TRY(data, eval::parse_cloze_examples(as_bytes(builtin_cloze())));
    options.study.limit = options.limit.value_or(0);
  } else {
    ASSAY_TRY(const MappedFile file, MappedFile::open(options.data));
    auto parsed = eval::parse_cloze_examples(file.bytes());
    if (!parsed) return parsed.error().with_context(options.data);
    data = *std::move(parsed);
    data_name = options.data;
    options.study.limit = options.limit.value_or(kDefaultLimit);
  }
  CalibrationSet calibration;
  {
    ASSAY_TRY(const LanguageModel model, load_model(path));
    ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
    ASSAY_TRY(calibration, parse_calibration(as_bytes(builtin_calibration()), kBuiltinCalibrationName,
                                             tokenizer, model.config.vocab_size, {}));
  }
  const auto announce = [&](const std::string& variant) { session.note(variant + "\n"); };
  options.study.quantize.gptq.group_size = kGroupSize;
  options.study.quantize.gptq.grid.sym = false;
  ASSAY_TRY(const LlmStudy study, run_llm_study(path, options.out, data, calibration, options.study,
                                                session.kernels(), announce, session.progress()));
  session.print(table_text(study) + notes_text(options, study, data_name, path.string(), session.threads()));
  return ordered_json{{"model", path.string()}, {"data", data_name}, {"rows", rows_json(study)}};
}

}  // namespace assay::cli
