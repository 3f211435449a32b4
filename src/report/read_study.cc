#include <algorithm>
#include <cmath>
#include <map>

#include "measure/statistics.h"
#include "report/intervals.h"
#include "report/json_fields.h"
#include "report/study.h"

namespace assay::report {
namespace {

constexpr double kConfidence = 0.95;
constexpr double kSignificance = 0.05;
constexpr int kResamples = 2000;
constexpr std::uint64_t kSeed = 20170514;  // any; fixed, so that the same records give the same report
// With fewer quiet rounds than this the disturbed ones are used as well, and the figure is marked.
constexpr std::size_t kQuietRounds = 3;

struct Round {
  int number = 0;
  double value = 0;
  bool noisy = false;
  std::vector<double> samples;
};

// The rounds of one variant, test and number of threads.
struct Rounds {
  std::string test;
  int threads = 0;
  std::vector<Round> rounds;
};

using RoundsOf = std::map<std::pair<std::string, std::string>, std::vector<Rounds>>;  // by model, variant

Error lacks(const store::Measurement& row, const std::string& field) {
  return Error{ErrorCode::kInvalidArgument, row.subject.model + ", " + row.subject.variant + ", " +
                                                row.subject.kind + ": the record has no figure '" + field +
                                                "', which docs/records.md says it has"};
}

std::optional<Interval> interval_at(const Json& object) {
  const auto low = number_at(object, "low"), high = number_at(object, "high");
  if (!low || !high || *low > *high) return std::nullopt;
  return Interval{*low, *high};
}

void read_quantize(const Json& figures, Variant& variant) {
  variant.bytes = number_at(figures, "output_bytes");
  if (!variant.bytes) variant.bytes = number_at(figures, "total_bytes");
  if (!variant.bytes) variant.bytes = number_at(figures, "input_bytes");
  variant.quantize_seconds = number_at(figures, "seconds");
  variant.linear_bytes = number_at(figures, "linear_bytes");
  variant.embedding_bytes = number_at(figures, "embedding_bytes");
  variant.bits = number_at(figures, "bits");
  variant.group_size = number_at(figures, "group_size");
  variant.calibration = number_at(figures, "calibration_pictures");
  if (!variant.calibration) variant.calibration = number_at(figures, "calibration_tokens");
  variant.method = text_at(figures, "method");
  variant.dequantized = text_at(figures, "reference_of") == "dequantized";
  const auto operators = [&](const char* key) -> std::optional<int> {
    if (!figures.contains(key)) return std::nullopt;
    double sum = 0;
    for (const auto& [kind, count] : part_at(figures, key).items())
      if (count.is_number()) sum += count.get<double>();
    return static_cast<int>(sum);
  };
  variant.int8_operators = operators("int8_operators");
  variant.float_operators = operators("float_operators");
  for (const Json& warning : part_at(figures, "warnings"))
    if (warning.is_string()) variant.warnings.push_back(warning.get<std::string>());
  for (const Json& layer : part_at(figures, "layers")) {
    if (const auto error = number_at(layer, "error"))
      variant.layers.push_back({text_at(layer, "name"), *error});
  }
}

Status read_detector_accuracy(const store::Measurement& row, Variant& variant) {
  const Json& figures = row.figures;
  const auto ap = number_at(figures, "AP");
  if (!ap) return lacks(row, "AP");
  const Json& intervals = part_at(figures, "intervals");
  Quality quality;
  quality.value = {*ap, interval_at(part_at(intervals, "AP"))};
  quality.count = count_at(figures, "images").value_or(0);
  for (const char* name : {"AP50", "AP75", "APs", "APm", "APl", "AR100"}) {
    const auto value = number_at(figures, name);
    if (value && *value >= 0)
      quality.others.emplace_back(name, Estimate{*value, interval_at(part_at(intervals, name))});
  }
  if (const Json& paired = part_at(figures, "against_reference"); number_at(paired, "difference"))
    quality.against_reference =
        Comparison{*number_at(paired, "difference"), interval_at(paired), number_at(paired, "p_value")};
  variant.quality = std::move(quality);
  variant.preprocess_seconds = number_at(figures, "preprocess_seconds");
  variant.postprocess_seconds = number_at(figures, "postprocess_seconds");
  std::map<std::string, std::int64_t> truths;
  for (const Json& category : part_at(figures, "per_category"))
    if (const auto count = count_at(category, "truths")) truths[text_at(category, "name")] = *count;
  for (const Json& category : part_at(figures, "category_differences")) {
    const auto difference = number_at(category, "difference");
    if (!difference) continue;
    Category change{text_at(category, "name"), *difference, std::nullopt};
    if (const auto found = truths.find(change.name); found != truths.end()) change.truths = found->second;
    variant.categories.push_back(std::move(change));
  }
  return {};
}

Status read_llm_accuracy(const store::Measurement& row, Variant& variant) {
  const Json& figures = row.figures;
  const auto accuracy = number_at(figures, "accuracy");
  if (!accuracy) return lacks(row, "accuracy");
  Quality quality;
  quality.count = count_at(figures, "examples").value_or(0);
  const auto share = [&](double value) {
    if (quality.count <= 0 || value < 0 || value > 1) return Estimate{value, std::nullopt};
    return Estimate{value, share_interval(value, quality.count)};
  };
  quality.value = share(*accuracy);
  for (const char* k : {"5", "10"})
    if (const auto value = number_at(part_at(figures, "top_k"), k))
      quality.others.emplace_back(std::string("top-") + k, share(*value));
  if (const auto perplexity = number_at(figures, "perplexity"))
    quality.others.emplace_back("perplexity", Estimate{*perplexity, std::nullopt});
  quality.near_ties = count_at(figures, "near_ties");
  if (const Json& paired = part_at(figures, "against_reference"); number_at(paired, "difference")) {
    Comparison comparison{*number_at(paired, "difference"), std::nullopt, number_at(paired, "p_value")};
    const auto lost = count_at(paired, "only_reference"), won = count_at(paired, "only_this");
    if (lost && won && quality.count > 0)
      comparison.interval = paired_share_interval(*lost, *won, quality.count);
    quality.against_reference = comparison;
  }
  variant.quality = std::move(quality);
  return {};
}

Status read_round(const store::Measurement& row, std::vector<Rounds>& all) {
  const bool latency = row.subject.kind == "latency";
  const char* field = latency ? "median_seconds" : "tokens_per_second";
  const auto value = number_at(row.figures, field);
  if (!value || *value <= 0) return lacks(row, field);
  const std::string test = latency ? "inference" : text_at(row.figures, "test");
  const int threads = static_cast<int>(count_at(row.figures, "threads").value_or(0));
  Round round{row.subject.round, *value, part_at(row.figures, "noisy") == Json(true), {}};
  if (latency) {
    for (const Json& sample : part_at(row.figures, "seconds"))
      if (sample.is_number() && std::isfinite(sample.get<double>()) && sample.get<double>() > 0)
        round.samples.push_back(sample.get<double>());
  }
  auto found = std::find_if(all.begin(), all.end(),
                            [&](const Rounds& r) { return r.test == test && r.threads == threads; });
  if (found == all.end()) found = all.insert(all.end(), Rounds{test, threads, {}});
  // Where there is no plan, a later row of the same round replaces an earlier one.
  std::erase_if(found->rounds, [&](const Round& r) { return r.number == round.number; });
  found->rounds.push_back(std::move(round));
  return {};
}

Status read_row(const store::Measurement& row, Variant& variant, std::vector<Rounds>& rounds) {
  const std::string& kind = row.subject.kind;
  if (kind == "quantize") {
    read_quantize(row.figures, variant);
  } else if (kind == "accuracy") {
    return row.subject.task == store::Task::kDetector ? read_detector_accuracy(row, variant)
                                                      : read_llm_accuracy(row, variant);
  } else if (kind == "latency" || kind == "throughput") {
    return read_round(row, rounds);
  } else if (kind == "memory") {
    variant.peak_memory_bytes = number_at(row.figures, "peak_rss_bytes");
  } else if (kind == "energy") {
    variant.joules = number_at(row.figures, "joules_per_unit");
    variant.energy_method = text_at(row.figures, "method");
    variant.energy_estimated = part_at(row.figures, "estimated") == Json(true);
    variant.energy_threads = static_cast<int>(count_at(row.subject.settings, "threads").value_or(0));
    const auto seconds = number_at(row.figures, "seconds");
    const auto idle = number_at(row.figures, "idle_gpu_joules");
    if (idle && seconds && *seconds > 0) variant.idle_gpu_watts = *idle / *seconds;
  } else if (kind == "drawing") {
    variant.drawings.push_back({text_at(row.figures, "source"), text_at(row.figures, "image"),
                                part_at(row.figures, "detections").size()});
  }
  return {};
}

std::vector<const Round*> quiet_or_all(const std::vector<Round>& rounds) {
  std::vector<const Round*> quiet, all;
  for (const Round& round : rounds) {
    all.push_back(&round);
    if (!round.noisy) quiet.push_back(&round);
  }
  return quiet.size() >= std::min(kQuietRounds, all.size()) ? quiet : all;
}

Speed summarize(const Rounds& rounds, const Rounds* reference) {
  const auto used = quiet_or_all(rounds.rounds);
  Speed speed{rounds.test,
              rounds.threads,
              {},
              static_cast<int>(used.size()),
              static_cast<int>(rounds.rounds.size() - used.size()),
              false,
              {},
              std::nullopt};
  std::vector<double> values, ratios;
  for (const Round* round : used) {
    speed.noisy = speed.noisy || round->noisy;
    values.push_back(round->value);
    speed.samples.insert(speed.samples.end(), round->samples.begin(), round->samples.end());
    if (reference == nullptr) continue;
    for (const Round* other : quiet_or_all(reference->rounds)) {
      if (other->number != round->number) continue;
      ratios.push_back(rounds.test == "inference" ? other->value / round->value
                                                  : round->value / other->value);
    }
  }
  speed.value.value = measure::median(values);
  if (values.size() >= 2) {
    const auto spread = measure::bootstrap_median_interval(values, kConfidence, kResamples, kSeed);
    speed.value.interval = Interval{spread.low, spread.high};
  }
  if (!ratios.empty()) speed.speedup = mean_ratio(ratios);
  return speed;
}

void add_speeds(Model& model, const RoundsOf& rounds) {
  const auto of = [&](const Variant& variant) -> const std::vector<Rounds>* {
    const auto found = rounds.find({model.name, variant.name});
    return found == rounds.end() ? nullptr : &found->second;
  };
  const auto* references = of(model.reference());
  for (Variant& variant : model.variants) {
    const auto* own = of(variant);
    if (own == nullptr) continue;
    for (const Rounds& test : *own) {
      const Rounds* reference = nullptr;
      if (references != nullptr && !variant.is_reference) {
        for (const Rounds& other : *references)
          if (other.test == test.test && other.threads == test.threads) reference = &other;
      }
      variant.speeds.push_back(summarize(test, reference));
    }
  }
}

Model& model_of(std::vector<Model>& models, const store::Subject& subject) {
  for (Model& model : models)
    if (model.name == subject.model) return model;
  models.push_back({subject.task, subject.model, "", "", "", {}});
  return models.back();
}

Variant& variant_of(Model& model, const std::string& name) {
  for (Variant& variant : model.variants)
    if (variant.name == name) return variant;
  model.variants.push_back({});
  model.variants.back().name = name;
  model.variants.back().is_reference = model.variants.size() == 1;
  return model.variants.back();
}

// Models and variants as the study lists them: of one whose measurements failed there may be no other trace.
void describe(store::Task task, std::vector<Model>& models, const Json& descriptions) {
  for (const Json& description : descriptions) {
    const std::string name = text_at(description, "name");
    if (name.empty()) continue;
    Model& model = model_of(models, {task, name, "", "", 0, Json::object()});
    model.source = text_at(description, "source");
    model.licence = text_at(description, "licence");
    model.data = text_at(description, "data");
    for (const Json& variant : part_at(description, "variants"))
      if (variant.is_string()) variant_of(model, variant.get<std::string>());
  }
}

void note_circumstances(const store::Measurement& row, Study& study) {
  // The load differs from row to row; it says something about the row, not about the machine.
  Json environment = row.environment;
  const std::string pinning = text_at(environment, "pinning");
  if (environment.is_object()) {
    environment.erase("load_average");
    environment.erase("pinning");  // of timings only
  }
  if (!pinning.empty() &&
      std::find(study.pinnings.begin(), study.pinnings.end(), pinning) == study.pinnings.end())
    study.pinnings.push_back(pinning);
  if (std::find(study.environments.begin(), study.environments.end(), environment) ==
      study.environments.end())
    study.environments.push_back(std::move(environment));
  if (std::find(study.commands.begin(), study.commands.end(), row.command) == study.commands.end())
    study.commands.push_back(row.command);
  if (study.first_measured.empty() || row.started < study.first_measured) study.first_measured = row.started;
  if (row.finished > study.last_measured) study.last_measured = row.finished;
}

}  // namespace

Verdict verdict(const Comparison& comparison) {
  if (!comparison.interval && !comparison.p_value) return Verdict::kUnknown;
  if (comparison.interval && comparison.interval->low <= 0 && comparison.interval->high >= 0)
    return Verdict::kNotDistinguishable;
  if (comparison.p_value && !(*comparison.p_value < kSignificance)) return Verdict::kNotDistinguishable;
  return comparison.difference < 0 ? Verdict::kLower : Verdict::kHigher;
}

const Speed* Variant::speed(const std::string& test) const {
  for (const Speed& speed : speeds)
    if (speed.test == test) return &speed;
  return nullptr;
}

const Speed* Variant::speed(const std::string& test, int threads) const {
  for (const Speed& speed : speeds)
    if (speed.test == test && speed.threads == threads) return &speed;
  return nullptr;
}

const Estimate* Variant::other(const std::string& wanted) const {
  if (!quality) return nullptr;
  for (const auto& [other_name, estimate] : quality->others)
    if (other_name == wanted) return &estimate;
  return nullptr;
}

const Variant* Model::variant(const std::string& wanted) const {
  for (const Variant& candidate : variants)
    if (candidate.name == wanted) return &candidate;
  return nullptr;
}

Result<Study> read_study(store::Store& store) {
  ASSAY_TRY(const std::vector<store::Measurement> rows, store.planned());
  ASSAY_TRY(const Json about, store.study());
  if (rows.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "nothing has been measured yet; 'assay run STUDY -o DIR' measures"};
  }
  Study study;
  describe(store::Task::kDetector, study.detectors, part_at(about, "detectors"));
  describe(store::Task::kLlm, study.llms, part_at(about, "llms"));
  RoundsOf rounds;
  for (const store::Measurement& row : rows) {
    auto& models = row.subject.task == store::Task::kDetector ? study.detectors : study.llms;
    Variant& variant = variant_of(model_of(models, row.subject), row.subject.variant);
    note_circumstances(row, study);
    if (const std::string error = text_at(row.figures, "error"); !error.empty()) {
      const std::string of = text_at(row.subject.settings, "of");
      study.failures.push_back(
          {row.subject.model, row.subject.variant, of.empty() ? row.subject.kind : of, error});
      continue;
    }
    ASSAY_RETURN_IF_ERROR(read_row(row, variant, rounds[{row.subject.model, row.subject.variant}]));
  }
  study.title = text_at(about, "title");
  if (study.title.empty()) study.title = "What quantization costs and what it buys";
  study.author = text_at(about, "author");
  study.date = text_at(about, "date");
  if (study.date.empty()) study.date = study.first_measured;
  study.date = study.date.substr(0, 10);
  study.file = text_at(about, "file");
  study.texts = part_at(about, "texts");
  const Json& climate = part_at(about, "climate");
  study.country = text_at(climate, "country");
  study.gco2e_per_kwh = number_at(climate, "gco2e_per_kwh");
  study.requests_per_day = number_at(climate, "requests_per_day").value_or(0);
  for (auto* models : {&study.detectors, &study.llms}) {
    std::erase_if(*models, [](const Model& model) { return model.variants.empty(); });
    for (Model& model : *models) add_speeds(model, rounds);
  }
  return study;
}

}  // namespace assay::report
