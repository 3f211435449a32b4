#include "flow/study/llm_tasks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/mapped_file.h"
#include "engine/load.h"
#include "eval/cloze_data.h"
#include "eval/paired.h"
#include "flow/bench_llm.h"
#include "flow/best_method.h"
#include "flow/calibration.h"
#include "flow/evaluate_llm.h"
#include "flow/fetch/catalog.h"
#include "flow/fill_calibration.h"
#include "flow/inspect.h"
#include "flow/model_registry.h"
#include "flow/quantize_llm.h"
#include "flow/study/loaded_models.h"
#include "flow/study/model_digest.h"
#include "flow/study/rough_sizes.h"
#include "flow/study/study_energy.h"
#include "flow/tune_llm.h"
#include "measure/environment.h"
#include "tensor/dtype.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using store::Json;

// int4: 4.
int bits_of(const std::string& variant) { return variant.back() - '0'; }

class LlmStudy {
 public:
  LlmStudy(const LlmSpec& spec, const StudyContext& context) : spec_(spec), context_(context) {}

  Status look();
  Status look_roughly();
  Json about() const;
  Json quantize_settings(const std::string& variant) const;
  Json accuracy_settings(const std::string& variant) const;
  TaskCost cost(const std::string& variant, const std::string& kind, std::int64_t tokens, bool prompt) const;

  Result<Json> quantize(const std::string& variant);
  Result<Json> accuracy(const std::string& variant);
  Result<Json> throughput(const std::string& variant, LlmTest test, int threads);
  Result<Json> energy(const std::string& variant, int threads);

 private:
  struct Plan {
    LlmQuantizeOptions options;
    CalibrationOptions calibration;
    bool trains = false;  // and so fills up what a file holds with the model's own text, as `assay quantize`
  };
  // REQUIRES: variant is not float.
  Plan plan(const std::string& variant) const;
  fs::path path_of(const std::string& variant) const;
  Result<LlmQuantizeReport> write_variant(const std::string& variant);
  Result<LanguageModel*> load(const std::string& variant);
  // With its weights repacked, as timings want it.
  Result<const LanguageModel*> load_packed(const std::string& variant);
  Result<CalibrationSet> calibration(const LanguageModel& model, const Plan& plan) const;
  // REQUIRES: variant is not float.
  int effort(const std::string& variant) const {
    return spec_.effort.value_or(default_effort(bits_of(variant), trainable_));
  }
  std::string method_name(const std::string& variant) const {
    return spec_.method == "best" ? "best, effort " + std::to_string(effort(variant)) : spec_.method;
  }
  bool is_reference(const std::string& variant) const { return variant == spec_.variants.front(); }

  LlmSpec spec_;
  StudyContext context_;
  fs::path source_;
  std::string source_digest_, data_digest_, calibration_digest_;
  std::vector<eval::ClozeExample> data_;
  double parameters_ = 0, embedding_parameters_ = 0, examples_ = 0;
  bool trainable_ = true;  // known where it decides the effort
  LoadedModels loaded_;
};

bool holds_quantized(const LanguageModel& model) {
  bool quantized = false;
  model.for_each_linear([&](const Linear& linear) {
    quantized = quantized || !linear.weight.is_dense() || info(linear.weight.dtype).block_values > 1;
  });
  return quantized;
}

Status LlmStudy::look() {
  ASSAY_TRY(source_, resolve_model(spec_.model));
  ASSAY_TRY(source_digest_, digest_of_model(source_));
  ASSAY_TRY(const ModelInspection inspection, inspect_model(source_));
  parameters_ = static_cast<double>(inspection.parameters);
  embedding_parameters_ = static_cast<double>(inspection.embedding_parameters);
  if (spec_.method == "best" && !spec_.effort) {
    ASSAY_TRY(const LanguageModel model, load_model(source_));
    const auto memory = measure::read_environment().memory_total_bytes;
    trainable_ = check_trainable_within(model, memory, context_.kernels).has_value();
  }
  if (!spec_.data_set.empty()) {
    ASSAY_TRY(spec_.data, passages(spec_.data_set));
  }
  if (spec_.data.empty()) {
    data_digest_ = sha256_of(as_bytes(context_.builtin.cloze));
    ASSAY_TRY(data_, eval::parse_cloze_examples(as_bytes(context_.builtin.cloze)));
  } else {
    ASSAY_TRY(data_digest_, sha256_of_file(spec_.data));
    ASSAY_TRY(const MappedFile file, MappedFile::open(spec_.data));
    auto parsed = eval::parse_cloze_examples(file.bytes());
    if (!parsed) return parsed.error().with_context(spec_.data.string());
    data_ = *std::move(parsed);
  }
  if (spec_.limit > 0 && data_.size() > static_cast<std::size_t>(spec_.limit))
    data_.resize(static_cast<std::size_t>(spec_.limit));
  examples_ = static_cast<double>(data_.size());
  if (spec_.calibration.empty()) {
    calibration_digest_ = sha256_of(as_bytes(context_.builtin.calibration));
  } else {
    ASSAY_TRY(calibration_digest_, sha256_of_file(spec_.calibration));
  }
  return {};
}

Status LlmStudy::look_roughly() {
  const Status looked = look();
  if (looked) return {};
  if (parameters_ == 0) {
    const auto parameters = rough_parameters(spec_.model);
    if (!parameters) return looked;
    parameters_ = *parameters;
  }
  examples_ = static_cast<double>(rough_passages(spec_.data_set));
  if (spec_.data_set.empty() && spec_.data.empty()) {
    ASSAY_TRY(const auto built_in, eval::parse_cloze_examples(as_bytes(context_.builtin.cloze)));
    examples_ = static_cast<double>(built_in.size());
  }
  if (spec_.limit > 0) examples_ = static_cast<double>(spec_.limit);
  return {};
}

Json LlmStudy::about() const {
  const std::string data_name = !spec_.data_set.empty() ? spec_.data_set
                                : spec_.data.empty()    ? "built-in cloze set"
                                                        : spec_.data.string();
  Json json{{"name", spec_.name},
            {"source", spec_.model},
            {"sha256", source_digest_},
            {"data", data_name},
            {"examples", data_.size()},
            {"calibration", spec_.calibration.empty() ? "built-in text" : spec_.calibration.string()},
            {"method", spec_.method},
            {"effort", spec_.effort ? Json(*spec_.effort) : Json(nullptr)},
            {"group_size", spec_.group_size},
            {"symmetric", spec_.symmetric},
            {"variants", spec_.variants}};
  const auto item = catalog_item(spec_.model);
  json["licence"] = item && !item->licence.empty() ? Json(item->licence) : Json(nullptr);
  return json;
}

Json LlmStudy::quantize_settings(const std::string& variant) const {
  Json settings{{"source", source_digest_}};
  if (variant == "float") return settings;
  const Plan planned = plan(variant);
  settings["method"] = spec_.method;
  if (planned.options.method == LlmMethod::kBest) settings["effort"] = effort(variant);
  settings["group_size"] = spec_.group_size;
  settings["symmetric"] = spec_.symmetric;
  settings["calibration"] =
      planned.trains && spec_.calibration.empty() ? "written by the model" : calibration_digest_;
  if (planned.trains && !spec_.calibration.empty()) settings["filled_by"] = "the model";
  settings["calibration_samples"] = planned.calibration.samples;
  settings["sequence_length"] = planned.calibration.sequence_length;
  return settings;
}

LlmStudy::Plan LlmStudy::plan(const std::string& variant) const {
  Plan out;
  out.options.method = spec_.method == "rtn" ? LlmMethod::kRtn : LlmMethod::kGptq;
  out.options.gptq.grid.bits = bits_of(variant);
  out.options.gptq.grid.sym = spec_.symmetric;
  out.options.gptq.group_size = spec_.group_size;
  out.calibration.samples = spec_.calibration_samples.value_or(out.calibration.samples);
  out.calibration.sequence_length = spec_.sequence_length.value_or(out.calibration.sequence_length);
  if (spec_.method == "best") {
    choose_best({.effort = effort(variant),
                 .steps = {},
                 .symmetric = spec_.symmetric,
                 .samples = spec_.calibration_samples,
                 .sequence_length = spec_.sequence_length},
                out.options, out.calibration);
  }
  out.trains = out.options.tune.has_value();
  return out;
}

Json LlmStudy::accuracy_settings(const std::string& variant) const {
  Json settings{{"file", quantize_settings(variant)},
                {"data", data_digest_},
                {"limit", spec_.limit},
                {"reference", nullptr}};
  if (!is_reference(variant)) settings["reference"] = quantize_settings(spec_.variants.front());
  return settings;
}

TaskCost LlmStudy::cost(const std::string& variant, const std::string& kind, std::int64_t tokens,
                        bool prompt) const {
  // Seconds per parameter, of SmolLM2-135M on two cores.
  constexpr double kGptq = 6.2e-7 / (128 * 512),
                   kRtn = 2e-8;  // the former per token of calibration, as those of best:
  constexpr double kClosedForm = 8.2e-11, kTrained = 5e-11, kWritten = 1.5e-11, kSolvedTokens = 1 << 16;
  constexpr double kExample = 5.4e-10, kGenerated = 4e-11, kPrompt = 6.7e-12;
  constexpr double kLoadSeconds = 0.5;
  const bool quantized = variant != "float";
  TaskCost cost{kLoadSeconds, 0, static_cast<std::uint64_t>(4 * parameters_)};
  if (kind == "accuracy") cost.seconds += kExample * parameters_ * examples_;
  if (kind == "throughput")
    cost.seconds += (prompt ? kPrompt : kGenerated) * parameters_ * static_cast<double>(tokens);
  if (kind == "quantize" && quantized) {
    const Plan planned = plan(variant);
    const auto tokens_of =
        static_cast<double>(planned.calibration.samples * planned.calibration.sequence_length);
    const double solved = solves_codes(planned.options) ? kClosedForm : kGptq;
    // Solving takes no more than the first tokens of what is for training.
    cost.seconds +=
        (planned.options.method == LlmMethod::kRtn ? kRtn : solved * std::min(tokens_of, kSolvedTokens)) *
        parameters_;
    if (planned.options.tune) cost.seconds += (kTrained + kWritten) * tokens_of * parameters_;
    constexpr double kBitsPerGroup = 16 + 4;  // scale and zero point
    const double bits = bits_of(variant) + kBitsPerGroup / spec_.group_size;
    cost.disk_bytes = static_cast<std::uint64_t>((parameters_ - embedding_parameters_) * bits / 8 +
                                                 2 * embedding_parameters_);
    cost.memory_bytes *= 2;  // the model as floats beside what it becomes
  }
  return cost;
}

fs::path LlmStudy::path_of(const std::string& variant) const {
  if (variant == "float") return source_;
  return context_.folder / "models" /
         (spec_.name + "-" + variant + "-" + settings_id(quantize_settings(variant)));
}

Result<CalibrationSet> LlmStudy::calibration(const LanguageModel& model, const Plan& plan) const {
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(source_));
  CalibrationSet set;
  if (!plan.trains || !spec_.calibration.empty()) {
    ASSAY_TRY(set, read_calibration(spec_.calibration, {context_.builtin.calibration, "built-in text"},
                                    tokenizer, model.config.vocab_size, plan.calibration));
  }
  if (!plan.trains) return set;
  // The same for all variants: one that wants more goes on with what another left.
  const Json text{{"source", source_digest_}, {"length", plan.calibration.sequence_length}};
  const fs::path own_text =
      context_.folder / "models" / (spec_.name + "-" + settings_id(text) + ".calibration.json");
  ASSAY_RETURN_IF_ERROR(fill_calibration(set, plan.calibration, own_text, source_, spec_.model, tokenizer,
                                         context_.kernels, context_.progress));
  return set;
}

Result<LlmQuantizeReport> LlmStudy::write_variant(const std::string& variant) {
  ASSAY_TRY(LanguageModel model, load_model(source_));
  const Plan planned = plan(variant);
  std::error_code error;
  fs::create_directories(context_.folder / "models", error);
  // Without a record it is not known whether what stands there is whole.
  fs::remove_all(path_of(variant), error);
  ASSAY_RETURN_IF_ERROR(check_quantize_llm(model, path_of(variant), planned.options, context_.kernels));
  CalibrationSet set;
  if (needs_calibration(planned.options)) {
    ASSAY_TRY(set, calibration(model, planned));
  }
  return quantize_llm(model, source_, path_of(variant), set, planned.options, context_.kernels,
                      context_.progress);
}

Result<LanguageModel*> LlmStudy::load(const std::string& variant) {
  std::error_code error;
  if (!fs::exists(path_of(variant), error)) {
    ASSAY_TRY(const auto report, write_variant(variant));
    static_cast<void>(report);
  }
  return loaded_.get(path_of(variant));
}

Result<const LanguageModel*> LlmStudy::load_packed(const std::string& variant) {
  ASSAY_TRY(LanguageModel* model, load(variant));
  ASSAY_RETURN_IF_ERROR(pack_weights(*model, *context_.kernels.pool));
  return model;
}

Json size_json(const ModelSize& size) {
  return {{"total_bytes", size.total_bytes},
          {"embedding_bytes", size.embedding_bytes},
          {"linear_bytes", size.linear_bytes},
          {"read_per_token_bytes", size.read_per_token_bytes},
          {"parameters", size.parameters}};
}

Result<Json> LlmStudy::quantize(const std::string& variant) {
  if (variant == "float") {
    ASSAY_TRY(const LanguageModel* model, load(variant));
    Json json = size_json(model_size(*model));
    json["reference_of"] = holds_quantized(*model) ? "dequantized" : "file";
    json["seconds"] = 0;
    json["layers"] = Json::array();
    return json;
  }
  ASSAY_TRY(const LlmQuantizeReport report, write_variant(variant));
  Json json = size_json(report.size);
  json["seconds"] = report.seconds;
  json["method"] = method_name(variant);
  json["group_size"] = spec_.group_size;
  json["bits"] = bits_of(variant);
  json["reference_of"] = "file";
  json["calibration_tokens"] = report.calibration_tokens;
  json["layers"] = Json::array();
  for (const auto& layer : report.layers) {
    json["layers"].push_back({{"name", layer.name},
                              {"weight_error", layer.weight_error},
                              {"error", layer.output_error ? Json(*layer.output_error) : Json(nullptr)}});
  }
  return json;
}

// As lm-evaluation-harness 0.4 writes its results, for tools that read those.
Json harness_json(const eval::LambadaRecord& record, const std::string& model, const std::string& task) {
  const auto or_na = [](const std::optional<double>& value) { return value ? Json(*value) : Json("N/A"); };
  return {{"results",
           {{task,
             {{"alias", task},
              {"perplexity,none", record.perplexity},
              {"perplexity_stderr,none", or_na(record.perplexity_stderr)},
              {"acc,none", record.accuracy},
              {"acc_stderr,none", or_na(record.accuracy_stderr)}}}}},
          {"n-samples", {{task, {{"original", record.examples}, {"effective", record.examples}}}}},
          {"model_name", model}};
}

Result<Json> LlmStudy::accuracy(const std::string& variant) {
  ASSAY_TRY(const LanguageModel* model, load(variant));
  ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(path_of(variant)));
  ASSAY_TRY(const LambadaRun run,
            run_lambada(*model, tokenizer, data_, {}, context_.kernels, context_.progress));
  std::string correct;
  std::vector<std::uint8_t> flags;
  for (const auto& example : run.examples) {
    flags.push_back(eval::is_correct(example) ? 1 : 0);
    correct += flags.back() != 0 ? '1' : '0';
  }
  const eval::LambadaRecord& record = run.record;
  std::error_code error;
  fs::create_directories(context_.folder / "lambada", error);
  const std::string task = spec_.data.empty() ? "cloze_builtin" : "lambada_openai";
  ASSAY_RETURN_IF_ERROR(
      write_file_atomically(context_.folder / "lambada" / (spec_.name + "-" + variant + ".json"),
                            harness_json(record, spec_.name + "-" + variant, task).dump(2) + "\n"));
  Json json{{"examples", record.examples},     {"accuracy", record.accuracy}, {"accuracy_stderr", nullptr},
            {"perplexity", record.perplexity}, {"top_k", Json::object()},     {"near_ties", record.near_ties},
            {"seconds", run.seconds},          {"correct", correct}};
  if (record.accuracy_stderr) json["accuracy_stderr"] = *record.accuracy_stderr;
  for (const auto& [k, share] : record.top_k) json["top_k"][std::to_string(k)] = share;
  if (is_reference(variant)) return json;
  const std::string& reference = spec_.variants.front();
  const store::Subject subject{store::Task::kLlm, spec_.name, reference,
                               "accuracy",        0,          accuracy_settings(reference)};
  ASSAY_TRY(const auto measured, context_.store.find(subject.key()));
  if (!measured)
    return Error{ErrorCode::kNotFound,
                 "the reference " + reference + " was not measured, so nothing can be compared"};
  std::vector<std::uint8_t> first;
  for (const char c : measured->figures.value("correct", std::string())) first.push_back(c == '1' ? 1 : 0);
  ASSAY_TRY(const eval::PairedRecord paired, eval::compare_paired(first, flags));
  json["against_reference"] = {{"difference", paired.difference},
                               {"p_value", paired.p_value},
                               {"only_reference", paired.only_first},
                               {"only_this", paired.only_second}};
  return json;
}

Result<Json> LlmStudy::throughput(const std::string& variant, LlmTest test, int threads) {
  ASSAY_TRY(const LanguageModel* model, load_packed(variant));
  const MeasureSpec& measure = context_.spec.measure;
  const bool prompt = test == LlmTest::kPrompt;
  const std::int64_t tokens = prompt ? measure.prompt_tokens : measure.generated_tokens;
  ASSAY_TRY(const auto timing,
            time_llm(*model, test, tokens, threads, Activations::kRounded, *context_.kernels.table));
  Json json{{"test", prompt ? "prompt" : "generate"},
            {"threads", threads},
            {"tokens", tokens},
            {"seconds", timing.median_seconds},
            {"tokens_per_second", static_cast<double>(tokens) / timing.median_seconds},
            {"other_cpu_share", nullptr},
            {"noisy", timing.noisy}};
  if (timing.other_cpu_share) json["other_cpu_share"] = *timing.other_cpu_share;
  return json;
}

Result<Json> LlmStudy::energy(const std::string& variant, int threads) {
  ASSAY_TRY(const LanguageModel* model, load_packed(variant));
  const std::int64_t tokens = context_.spec.measure.generated_tokens;
  const auto once = [&]() -> Status {
    ASSAY_TRY(const auto timing, time_llm(*model, LlmTest::kGenerate, tokens, threads, Activations::kRounded,
                                          *context_.kernels.table));
    static_cast<void>(timing);
    return {};
  };
  return measure_energy(once, static_cast<double>(tokens + kWarmupTokens),
                        context_.spec.climate.watts_per_core);
}

}  // namespace

Result<ModelTasks> llm_tasks(const LlmSpec& spec, const StudyContext& context) {
  const auto study = std::make_shared<LlmStudy>(spec, context);
  const bool rough = context.inputs == Inputs::kSomeMissing;
  if (const Status looked = rough ? study->look_roughly() : study->look(); !looked)
    return looked.error().with_context(spec.name);
  ModelTasks result;
  result.about = study->about();
  const auto add = [&](const std::string& variant, const char* kind, int round, Json settings, TaskCost cost,
                       int timed_threads, auto measure) {
    result.tasks.push_back({{store::Task::kLlm, spec.name, variant, kind, round, std::move(settings)},
                            [study, variant, measure] { return measure(*study, variant); },
                            cost,
                            timed_threads});
  };
  for (const auto& variant : spec.variants) {
    add(variant, "quantize", 0, study->quantize_settings(variant), study->cost(variant, "quantize", 0, false),
        0, [](LlmStudy& it, const std::string& v) { return it.quantize(v); });
    add(variant, "accuracy", 0, study->accuracy_settings(variant), study->cost(variant, "accuracy", 0, false),
        0, [](LlmStudy& it, const std::string& v) { return it.accuracy(v); });
  }
  const MeasureSpec& measure = context.spec.measure;
  const auto& watts = context.spec.climate.watts_per_core;
  for (const auto& variant : spec.variants) {
    if (!watts && !counts_energy()) break;
    const int threads = context.timing_threads().back();
    add(variant, "energy", 0,
        {{"file", study->quantize_settings(variant)},
         {"tokens", measure.generated_tokens},
         {"threads", threads},
         {"pin", measure.pin},
         {"watts_per_core", watts ? Json(*watts) : Json(nullptr)}},
        study->cost(variant, "throughput", 2 * measure.generated_tokens, false), threads,
        [threads](LlmStudy& it, const std::string& v) { return it.energy(v, threads); });
  }
  for (int round = 0; round < measure.repetitions; ++round) {
    for (const int threads : context.timing_threads()) {
      for (const LlmTest test : {LlmTest::kGenerate, LlmTest::kPrompt}) {
        const bool prompt = test == LlmTest::kPrompt;
        const std::int64_t tokens = prompt ? measure.prompt_tokens : measure.generated_tokens;
        for (const auto& variant : spec.variants) {
          add(variant, "throughput", round,
              {{"file", study->quantize_settings(variant)},
               {"test", prompt ? "prompt" : "generate"},
               {"tokens", tokens},
               {"threads", threads},
               {"pin", measure.pin},
               {"kernels", name(*context.kernels.table)}},
              study->cost(variant, "throughput", tokens, prompt), threads,
              [test, threads](LlmStudy& it, const std::string& v) {
                return it.throughput(v, test, threads);
              });
        }
      }
    }
  }
  return result;
}

}  // namespace assay
