#include "flow/llm_study.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "engine/load.h"
#include "flow/bench_llm.h"
#include "flow/evaluate_llm.h"
#include "flow/fnv.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

ordered_json size_json(const ModelSize& size) {
  return {{"total_bytes", size.total_bytes},   {"embedding_bytes", size.embedding_bytes}, {"linear_bytes", size.linear_bytes},
          {"read_per_token_bytes", size.read_per_token_bytes}, {"parameters", size.parameters}, {"linear_parameters", size.linear_parameters}};
}

ModelSize size_from(const ordered_json& json) {
  ModelSize size;
  size.total_bytes = json.value("total_bytes", std::uint64_t{0});
  size.embedding_bytes = json.value("embedding_bytes", std::uint64_t{0});
  size.linear_bytes = json.value("linear_bytes", std::uint64_t{0});
  size.read_per_token_bytes = json.value("read_per_token_bytes", std::uint64_t{0});
  size.parameters = json.value("parameters", std::uint64_t{0});
  size.linear_parameters = json.value("linear_parameters", std::uint64_t{0});
  return size;
}

// What was measured, as it is kept on disk. The record of LAMBADA is not: it follows from the scores of the examples.
ordered_json row_json(const LlmStudyRow& row, const std::vector<eval::ExampleScore>& examples, const std::string& identity) {
  ordered_json scores = ordered_json::array();
  for (const auto& example : examples) {
    ordered_json tokens = ordered_json::array();
    for (const auto& token : example.tokens) tokens.push_back({token.log_prob, token.rank, token.margin});
    scores.push_back({{"tokens", tokens}, {"truncated", example.truncated}});
  }
  ordered_json json{{"identity", identity}, {"variant", row.variant}, {"dequantized", row.dequantized}, {"size", size_json(row.size)},
                    {"evaluation_seconds", row.evaluation_seconds},
                    {"prompt_tokens_per_second", row.prompt_tokens_per_second}, {"prompt_stddev", row.prompt_stddev},
                    {"generated_tokens_per_second", row.generated_tokens_per_second}, {"generated_stddev", row.generated_stddev},
                    {"noisy", row.noisy}, {"examples", std::move(scores)}};
  if (row.quantization_seconds) json["quantization_seconds"] = *row.quantization_seconds;
  return json;
}

std::optional<std::vector<eval::ExampleScore>> examples_from(const ordered_json& json) {
  std::vector<eval::ExampleScore> examples;
  for (const auto& stored : json.value("examples", ordered_json::array())) {
    eval::ExampleScore example;
    example.truncated = stored.value("truncated", false);
    for (const auto& token : stored.value("tokens", ordered_json::array())) {
      if (!token.is_array() || token.size() != 3 || !token[0].is_number() || !token[1].is_number_integer() || !token[2].is_number()) return std::nullopt;
      const auto rank = token[1].get<std::int64_t>();
      example.tokens.push_back({token[0].get<double>(), rank, rank == 0, token[2].get<double>()});
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

Status fill_accuracy(const std::vector<eval::ExampleScore>& examples, LlmStudyRow& row) {
  constexpr int kTopK[] = {1, 5, 10};
  ASSAY_TRY(row.record, eval::evaluate_lambada(examples, kTopK));
  row.correct.clear();
  for (const auto& example : examples) row.correct.push_back(eval::is_correct(example) ? 1 : 0);
  return {};
}

// The row that an earlier run left, or nothing when there is none or it is of something else.
Result<std::optional<LlmStudyRow>> stored_row(const fs::path& path, const std::string& identity) {
  if (!fs::exists(path)) return std::optional<LlmStudyRow>();
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  const ordered_json json = ordered_json::parse(as_text(file.bytes()), nullptr, false);
  if (!json.is_object() || json.value("identity", "") != identity) return std::optional<LlmStudyRow>();
  const auto examples = examples_from(json);
  if (!examples) return std::optional<LlmStudyRow>();
  LlmStudyRow row;
  row.variant = json.value("variant", "");
  row.dequantized = json.value("dequantized", false);
  row.size = size_from(json.value("size", ordered_json::object()));
  row.evaluation_seconds = json.value("evaluation_seconds", 0.0);
  row.prompt_tokens_per_second = json.value("prompt_tokens_per_second", 0.0);
  row.prompt_stddev = json.value("prompt_stddev", 0.0);
  row.generated_tokens_per_second = json.value("generated_tokens_per_second", 0.0);
  row.generated_stddev = json.value("generated_stddev", 0.0);
  row.noisy = json.value("noisy", false);
  if (json.contains("quantization_seconds")) row.quantization_seconds = json.value("quantization_seconds", 0.0);
  ASSAY_RETURN_IF_ERROR(fill_accuracy(*examples, row));
  return std::optional(std::move(row));
}

bool holds_quantized(const LanguageModel& model) {
  bool quantized = false;
  model.for_each_linear([&](const Linear& linear) { quantized = quantized || !linear.weight.is_dense() || info(linear.weight.dtype).block_values > 1; });
  return quantized;
}

void fill_speed(const LlmBench& bench, LlmStudyRow& row) {
  for (const auto& measured : bench.rows) {
    const bool prompt = measured.test.starts_with("pp");
    (prompt ? row.prompt_tokens_per_second : row.generated_tokens_per_second) = measured.median_tokens_per_second;
    (prompt ? row.prompt_stddev : row.generated_stddev) = measured.stddev.value_or(0);
    row.noisy = row.noisy || measured.timing.noisy;
  }
}

// Everything that a row depends on.
std::string identity_of(const fs::path& source, int bits, std::span<const eval::ClozeExample> data, const CalibrationSet& calibration, const LlmStudyOptions& options,
                        const KernelContext& kernels) {
  std::uint64_t data_hash = fnv1a({});
  for (const auto& example : data) data_hash = fnv1a(as_bytes(example.target), fnv1a(as_bytes(example.context), data_hash));
  std::error_code error;
  const auto source_bytes = fs::is_regular_file(source, error) ? fs::file_size(source, error) : 0;
  const GptqOptions& gptq = options.quantize.gptq;
  const ordered_json identity{{"source", fs::absolute(source).string()}, {"source_bytes", source_bytes}, {"bits", bits}, {"data", data_hash},
                              {"method", to_string(options.quantize.method)}, {"group_size", gptq.group_size}, {"sym", gptq.grid.sym},
                              {"order", static_cast<int>(gptq.order)}, {"search", static_cast<int>(gptq.grid.search)}, {"damp", gptq.damp},
                              {"calibration", calibration.hash}, {"embedding_bits", options.quantize.embedding_bits.value_or(0)},
                              {"threads", kernels.pool->num_threads()}, {"kernels", std::string(name(*kernels.table))},
                              {"prompt_tokens", options.prompt_tokens}, {"generated_tokens", options.generated_tokens}, {"repetitions", options.repetitions}};
  return identity.dump();
}

Result<LlmStudyRow> measure_variant(const fs::path& path, LlmStudyRow row, std::span<const eval::ClozeExample> data, const LlmStudyOptions& options,
                                    const KernelContext& kernels, Progress& progress, const std::string& identity, const fs::path& record_path) {
  ASSAY_TRY(const LanguageModel model, load_model(path));
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path));
  row.size = model_size(model);
  row.dequantized = !row.quantization_seconds && holds_quantized(model);
  LlmBenchOptions bench_options;
  bench_options.prompt_tokens = options.prompt_tokens;
  bench_options.generated_tokens = options.generated_tokens;
  bench_options.threads = {kernels.pool->num_threads()};
  bench_options.repetitions = options.repetitions;
  bench_options.activations = Activations::kRounded;
  ASSAY_TRY(const LlmBench bench, bench_llm(model, bench_options, *kernels.table, progress));
  fill_speed(bench, row);
  ASSAY_TRY(const LambadaRun run, run_lambada(model, tokenizer, data, {}, kernels, progress));
  row.evaluation_seconds = run.seconds;
  ASSAY_RETURN_IF_ERROR(fill_accuracy(run.examples, row));
  ASSAY_RETURN_IF_ERROR(write_file_atomically(record_path, row_json(row, run.examples, identity).dump(1) + "\n"));
  return row;
}

}  // namespace

Result<LlmStudy> run_llm_study(const fs::path& source, const fs::path& folder, std::span<const eval::ClozeExample> data, const CalibrationSet& calibration,
                               const LlmStudyOptions& options, const KernelContext& kernels, const std::function<void(const std::string&)>& announce,
                               Progress& progress) {
  if (options.limit > 0) data = data.first(std::min(data.size(), static_cast<std::size_t>(options.limit)));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error{ErrorCode::kIo, folder.string() + ": " + error.message()};
  std::vector<int> variants{0};  // 0: as the source stores it
  variants.insert(variants.end(), options.widths.begin(), options.widths.end());
  LlmStudy study;
  for (const int bits : variants) {
    LlmStudyRow row;
    row.variant = bits == 0 ? "float" : "int" + std::to_string(bits);
    const std::string identity = identity_of(source, bits, data, calibration, options, kernels);
    const fs::path record_path = folder / (row.variant + ".json");
    ASSAY_TRY(std::optional<LlmStudyRow> stored, stored_row(record_path, identity));
    if (stored) {
      study.resumed = true;
      row = *std::move(stored);
    } else {
      announce(row.variant);
      fs::path path = source;
      if (bits != 0) {
        path = folder / row.variant;
        fs::remove_all(path, error);
        ASSAY_TRY(LanguageModel model, load_model(source));
        LlmQuantizeOptions quantize = options.quantize;
        quantize.gptq.grid.bits = bits;
        ASSAY_TRY(const LlmQuantizeReport report, quantize_llm(model, source, path, calibration, quantize, kernels, progress));
        row.quantization_seconds = report.seconds;
      }
      ASSAY_TRY(row, measure_variant(path, std::move(row), data, options, kernels, progress, identity, record_path));
    }
    if (!study.rows.empty()) {
      ASSAY_TRY(row.against_float, eval::compare_paired(study.rows[0].correct, row.correct));
    }
    study.rows.push_back(std::move(row));
  }
  return study;
}

}  // namespace assay
