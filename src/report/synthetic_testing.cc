#include "report/synthetic_testing.h"

#include <cmath>

#include "base/rng.h"

namespace assay::report {
namespace {

using store::Json;
using store::Measurement;
using store::Task;

struct Recipe {
  const char* variant;
  double size, quality, speed;  // factors of the reference's
  double bits;
};

const std::vector<Recipe> kDetectorRecipes{{"float32", 1, 1, 1, 32},
                                           {"float16", 0.53, 0.999, 1.01, 16},
                                           {"int8", 0.3, 0.985, 1.4, 8},
                                           {"int8-dynamic", 0.29, 0.997, 1.15, 8}};
const std::vector<Recipe> kLlmRecipes{{"float", 1, 1, 1, 16},
                                      {"int8", 0.55, 0.998, 1.6, 8},
                                      {"int4", 0.35, 0.88, 2.1, 4},
                                      {"int2", 0.26, 0.03, 2.3, 2}};
constexpr int kImages = 100;
constexpr int kExamples = 1000;

class Maker {
 public:
  explicit Maker(const SyntheticOptions& options) : options_(options), rng_(42) {
    environment_ = {
        {"version", "0.0.0-synthetic"}, {"compiler", "GCC 12.2.0"}, {"isa", "avx2 avx512"},
        {"cpu_model", "Synthetic CPU"}, {"usable_cpus", 2},         {"memory_total_bytes", 25'300'000'000},
        {"kernel", "6.1.0-synthetic"}};
  }

  std::vector<Measurement> make() {
    for (int i = 0; i < options_.detectors; ++i) detector(i);
    for (int i = 0; i < options_.llms; ++i) llm(i);
    return std::move(rows_);
  }

 private:
  void add(Task task, const std::string& model, const std::string& variant, const std::string& kind,
           int round, Json figures) {
    Measurement row;
    row.subject = {task, model, variant, kind, round, Json{{"synthetic", true}}};
    row.figures = std::move(figures);
    row.environment = environment_;
    row.command = "assay run synthetic.yaml -o synthetic";
    row.started = "2026-01-31T12:00:00Z";
    row.finished = "2026-01-31T12:00:09Z";
    rows_.push_back(std::move(row));
  }

  double jitter(double share) { return 1 + share * rng_.normal(); }

  void detector(int index) {
    const std::string model = "synthetic-detector-" + std::to_string(index + 1) + options_.name_suffix;
    const double bytes = 3.9e6 * std::pow(6.3, index % 3) * (1 + index / 3), ap = 0.29 + 0.08 * (index % 3),
                 seconds = 0.019 * std::pow(5, index % 3);
    for (const Recipe& recipe : kDetectorRecipes) {
      const bool reference = recipe.size == 1;
      add(Task::kDetector, model, recipe.variant, "quantize", 0,
          {{"input_bytes", bytes},
           {"output_bytes", std::round(bytes * recipe.size)},
           {"seconds", 0.1 + index},
           {"calibration_pictures", recipe.bits == 8 ? 64 : 0},
           {"reference_of", "file"},
           {"warnings", Json::array()}});
      if (options_.with_failure && recipe.variant == std::string("int8-dynamic")) {
        add(Task::kDetector, model, recipe.variant, "accuracy", 0,
            {{"error", "the model's output 0 has 3 values that are not numbers"}});
        continue;
      }
      detector_accuracy(model, recipe, ap, reference);
      add(Task::kDetector, model, recipe.variant, "memory", 0,
          {{"peak_rss_bytes", 40e6 + 3 * bytes * recipe.size}});
      if (options_.with_energy) {
        add(Task::kDetector, model, recipe.variant, "energy", 0,
            {{"joules_per_unit", seconds * 12 / recipe.speed},
             {"seconds", 2},
             {"idle_gpu_joules", 90},
             {"estimated", false},
             {"method", "RAPL, whole machine"}});
        rows_.back().subject.settings["threads"] = 1;
      }
      if (!options_.drawing.empty())
        add(Task::kDetector, model, recipe.variant, "drawing", 0,
            {{"image", options_.drawing},
             {"source", "000000000139.jpg"},
             {"detections", Json::array({{{"category", "chair"}, {"score", 0.9}, {"bbox", {1, 2, 3, 4}}}})}});
    }
    for (int round = 0; round < options_.rounds; ++round) {
      for (const Recipe& recipe : kDetectorRecipes) {
        const double typical = seconds / recipe.speed * jitter(0.01);
        Json samples = Json::array();
        for (int i = 0; i < 50; ++i) samples.push_back(typical * std::exp(std::abs(0.04 * rng_.normal())));
        add(Task::kDetector, model, recipe.variant, "latency", round,
            {{"threads", 1},
             {"runs", 50},
             {"seconds", samples},
             {"median_seconds", typical},
             {"min_seconds", typical * 0.97},
             {"other_cpu_share", 0.01},
             {"noisy", round == 1 && recipe.bits == 32}});
      }
    }
  }

  void detector_accuracy(const std::string& model, const Recipe& recipe, double ap, bool reference) {
    const double value = ap * recipe.quality;
    Json figures{{"AP", value},
                 {"AP50", value * 1.55},
                 {"AP75", value * 1.02},
                 {"APs", value * 0.45},
                 {"APm", value * 1.1},
                 {"APl", value * 1.6},
                 {"AR100", value * 1.4},
                 {"images", kImages},
                 {"intervals", {{"AP", {{"low", value - 0.03}, {"high", value + 0.05}, {"stderr", 0.02}}}}},
                 {"preprocess_seconds", 0.0027},
                 {"postprocess_seconds", 0.0021}};
    Json categories = Json::array(), changes = Json::array();
    for (const char* name :
         {"person", "bicycle", "car",           "motorcycle",   "airplane",  "bus",     "train",
          "truck",  "boat",    "traffic light", "fire hydrant", "stop sign", "bench",   "bird",
          "cat",    "dog",     "horse",         "sheep",        "cow",       "elephant"}) {
      categories.push_back({{"name", name}, {"AP", value}, {"truths", static_cast<int>(3 + rng_.below(60))}});
      changes.push_back({{"name", name}, {"difference", 0.02 * rng_.normal() * (1 - recipe.quality) * 60}});
    }
    figures["per_category"] = categories;
    if (!reference) {
      const double difference = value - ap;
      figures["against_reference"] = {{"difference", difference},
                                      {"low", difference - 0.003},
                                      {"high", difference + 0.002},
                                      {"p_value", difference < -0.002 ? 0.004 : 0.6}};
      figures["category_differences"] = changes;
    }
    add(Task::kDetector, model, recipe.variant, "accuracy", 0, figures);
  }

  void llm(int index) {
    const std::string model = "synthetic-llm-" + std::to_string(index + 1) + options_.name_suffix;
    const double bytes = 269e6 * std::pow(2.1, index), accuracy = 0.29 + 0.11 * (index % 4),
                 speed = 33 / std::pow(2.1, index);
    for (const Recipe& recipe : kLlmRecipes) {
      const bool reference = recipe.size == 1;
      Json layers = Json::array();
      for (int block = 0; !reference && block < 12; ++block)
        for (const char* part : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                 "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
          layers.push_back(
              {{"name", "model.layers." + std::to_string(block) + "." + part},
               {"error", 0.6 * std::pow(4, 2 - recipe.bits) * jitter(0.2) * (1 + 0.05 * block)}});
      add(Task::kLlm, model, recipe.variant, "quantize", 0,
          {{"total_bytes", std::round(bytes * recipe.size)},
           {"embedding_bytes", 57e6},
           {"linear_bytes", std::round(bytes * recipe.size - 57e6)},
           {"seconds", reference ? 0.0 : 180.0},
           {"method", reference ? "" : "gptq"},
           {"group_size", reference ? 0 : 64},
           {"bits", recipe.bits},
           {"reference_of", "dequantized"},
           {"calibration_tokens", reference ? 0 : 32768},
           {"layers", layers}});
      if (options_.with_failure && recipe.variant == std::string("int2")) {
        add(Task::kLlm, model, recipe.variant, "accuracy", 0,
            {{"error", "not enough memory: needs 4.1 GB, 2.0 GB are free"}});
        continue;
      }
      const double value = std::round(accuracy * recipe.quality * kExamples) / kExamples;
      Json figures{
          {"examples", kExamples},
          {"accuracy", value},
          {"accuracy_stderr", 0.014},
          {"perplexity", 18.8 / std::pow(recipe.quality, 3)},
          {"top_k", {{"1", value}, {"5", std::min(1.0, value * 1.8)}, {"10", std::min(1.0, value * 2.1)}}},
          {"near_ties", 1},
          {"seconds", 100.0}};
      if (!reference) {
        const double base = std::round(accuracy * kExamples);
        const int won = static_cast<int>(8 * recipe.quality),
                  lost = static_cast<int>(base - value * kExamples) + won;
        figures["against_reference"] = {{"difference", (won - lost) / static_cast<double>(kExamples)},
                                        {"p_value", lost - won > 10 ? 1e-6 : 0.8},
                                        {"only_reference", lost},
                                        {"only_this", won}};
      }
      if (options_.with_energy) {
        add(Task::kLlm, model, recipe.variant, "energy", 0,
            {{"joules_per_unit", 0.4 / recipe.speed},
             {"estimated", true},
             {"method", "estimated: 10 W per busy core"}});
        rows_.back().subject.settings["threads"] = 2;
      }
      add(Task::kLlm, model, recipe.variant, "accuracy", 0, figures);
    }
    for (int round = 0; round < options_.rounds; ++round) {
      for (const Recipe& recipe : kLlmRecipes) {
        for (const auto& [test, factor] : {std::pair{"generate", 1.0}, std::pair{"prompt", 9.0}}) {
          const double rate =
              speed * factor * (factor == 1 ? recipe.speed : std::sqrt(recipe.speed)) * jitter(0.01);
          add(Task::kLlm, model, recipe.variant, "throughput", round,
              {{"test", test},
               {"threads", 2},
               {"tokens", 128},
               {"seconds", 128 / rate},
               {"tokens_per_second", rate},
               {"other_cpu_share", 0.01},
               {"noisy", false}});
          rows_.back().subject.settings["test"] = test;
        }
      }
    }
  }

  SyntheticOptions options_;
  Rng rng_;
  Json environment_;
  std::vector<Measurement> rows_;
};

}  // namespace

std::vector<Measurement> synthetic_measurements(const SyntheticOptions& options) {
  return Maker(options).make();
}

Json synthetic_description(const SyntheticOptions& options) {
  Json description{{"title", "Synthetic figures, for tests only"},
                   {"author", "Nobody"},
                   {"date", "2026-01-31"},
                   {"texts", Json::object()},
                   {"file", "title: Synthetic figures, for tests only\n"},
                   {"detectors", Json::array()},
                   {"llms", Json::array()}};
  if (options.with_energy)
    description["climate"] = {{"country", "Nowhere"}, {"gco2e_per_kwh", 100}, {"requests_per_day", 1000000}};
  for (int i = 0; i < options.detectors; ++i)
    description["detectors"].push_back(
        {{"name", "synthetic-detector-" + std::to_string(i + 1) + options.name_suffix},
         {"source", "made up"},
         {"licence", "none"},
         {"data", "COCO val2017"}});
  for (int i = 0; i < options.llms; ++i)
    description["llms"].push_back({{"name", "synthetic-llm-" + std::to_string(i + 1) + options.name_suffix},
                                   {"source", "made up"},
                                   {"licence", "none"},
                                   {"data", "LAMBADA"}});
  return description;
}

Status write_synthetic_study(const std::filesystem::path& folder, const SyntheticOptions& options) {
  ASSAY_TRY(store::Store store, store::Store::open(folder));
  std::vector<std::string> keys;
  for (const Measurement& row : synthetic_measurements(options)) {
    ASSAY_RETURN_IF_ERROR(store.add(row));
    keys.push_back(row.subject.key());
  }
  return store.set_plan(keys, synthetic_description(options));
}

}  // namespace assay::report
