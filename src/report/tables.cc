#include "report/tables.h"

#include <algorithm>

#include "report/cells.h"
#include "report/intervals.h"
#include "report/json_fields.h"
#include "report/numbers.h"

namespace assay::report {
namespace {

using Column = Table::Column;

// Marks a difference that the paired comparison shows.
std::string marked(const Comparison& comparison, std::string text) {
  const Verdict said = verdict(comparison);
  if (said == Verdict::kLower || said == Verdict::kHigher) text += " *";
  return text;
}

std::string size_text(const Variant& variant) {
  return variant.bytes ? significant(*variant.bytes / 1e6) : kAbsent;
}

std::string ratio_text(const Model& model, const Variant& variant) {
  if (variant.is_reference) return "1";
  if (!model.reference().bytes || !variant.bytes || *variant.bytes <= 0) return kAbsent;
  return fixed(*model.reference().bytes / *variant.bytes, 2);
}

std::string difference_text(const Variant& variant) {
  if (variant.is_reference) return "";
  if (!variant.quality || !variant.quality->against_reference) return kAbsent;
  return marked(*variant.quality->against_reference,
                points_with_interval(*variant.quality->against_reference));
}

std::string kept_text(const Model& model, const Variant& variant) {
  if (variant.is_reference) return "100";
  const auto& reference = model.reference().quality;
  if (!variant.quality || !reference || reference->value.value <= 0) return kAbsent;
  return fixed(100 * variant.quality->value.value / reference->value.value, 1);
}

std::string median_text(const Speed* speed) {
  return speed == nullptr ? kAbsent : significant(speed->value.value) + (speed->noisy ? " †" : "");
}

std::string speed_text(const Speed* speed) {
  if (speed == nullptr) return kAbsent;
  std::string text = significant(speed->value.value);
  if (speed->value.interval)
    text += " [" + significant(speed->value.interval->low) + ", " + significant(speed->value.interval->high) +
            "]";
  return text + (speed->noisy ? " †" : "");
}

std::string speedup_text(const Variant& variant, const Speed* speed) {
  if (variant.is_reference) return speed == nullptr ? kAbsent : "1";
  if (speed == nullptr || !speed->speedup) return kAbsent;
  std::string text = ratio_with_interval(*speed->speedup);
  const auto& interval = speed->speedup->interval;
  if (interval && (interval->low > 1 || interval->high < 1)) text += " *";
  return text;
}

std::string other_text(const Variant& variant, const std::string& name) {
  const Estimate* estimate = variant.other(name);
  return estimate == nullptr ? kAbsent : percent(estimate->value);
}

constexpr const char* kLegend =
    "In brackets 95 % intervals; * the difference from the reference is beyond its paired interval; † timed "
    "while other programs ran.";

// The model's name once, above its variants.
class ModelRows {
 public:
  explicit ModelRows(Table& table) : table_(table) {}
  void add(const Model& model, std::vector<std::string> cells) {
    cells.insert(cells.begin(), &model == last_ ? "" : model.name);
    last_ = &model;
    table_.rows.push_back(std::move(cells));
  }

 private:
  Table& table_;
  const Model* last_ = nullptr;
};

Table machine_table(const Study& study) {
  Table table{"machine", "The machine and the program that measured.", {{"", false}, {"", false}}, {}};
  const Json& environment = study.environments.front();
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) table.rows.push_back({name, value});
  };
  const auto bytes = [&](const char* key, double unit, const char* name) -> std::string {
    const auto value = number_at(environment, key);
    return value ? significant(*value / unit) + " " + name : "";
  };
  const auto count = [&](const char* key) {
    const auto value = number_at(environment, key);
    if (!value) return std::string();
    return *value == static_cast<double>(static_cast<int>(*value)) ? fixed(*value, 0) : significant(*value);
  };
  add("Processor", text_at(environment, "cpu_model"));
  add("Logical processors usable", count("usable_cpus"));
  add("Physical cores", count("physical_cores"));
  add("Processor time allowed", count("cpu_quota"));
  add("Instruction sets", text_at(environment, "isa"));
  add("Memory", bytes("memory_total_bytes", 1e9, "GB"));
  add("Last-level cache", bytes("last_level_cache_bytes", 1e6, "MB"));
  add("Frequency governor", text_at(environment, "governor"));
  add("Kernel", text_at(environment, "kernel"));
  add("Compiler", text_at(environment, "compiler"));
  add("Assay", text_at(environment, "version"));
  add("BLAS", text_at(environment, "blas"));
  for (const char* key : {"litert", "litert_version"}) add("LiteRT", text_at(environment, key));
  std::string pinnings;
  for (const std::string& pinning : study.pinnings) pinnings += (pinnings.empty() ? "" : "; ") + pinning;
  add("Threads of timings", pinnings);
  add("Measured", study.first_measured + " to " + study.last_measured);
  return table;
}

Table models_table(const Study& study) {
  Table table{"models",
              "Models and data.",
              {{"Model"}, {"Task"}, {"Source"}, {"Licence"}, {"Data"}, {"n", true}},
              {}};
  for (const auto* models : {&study.detectors, &study.llms}) {
    for (const Model& model : *models) {
      std::int64_t count = 0;
      for (const Variant& variant : model.variants)
        if (variant.quality) count = std::max(count, variant.quality->count);
      const auto or_absent = [](const std::string& text) {
        return text.empty() ? std::string(kAbsent) : text;
      };
      table.rows.push_back({model.name, model.task == store::Task::kDetector ? "detector" : "language model",
                            or_absent(short_name(model.source)), or_absent(model.licence),
                            or_absent(short_name(model.data)), count > 0 ? grouped(count) : kAbsent});
    }
  }
  return table;
}

Table settings_table(const Study& study) {
  Table table{"settings",
              "How each variant was made. Calibration: pictures of detectors, tokens of language models.",
              {{"Model"},
               {"Variant"},
               {"Method"},
               {"Bits", true},
               {"Group", true},
               {"Calibration", true},
               {"Time, s", true}},
              {}};
  ModelRows rows(table);
  for (const auto* models : {&study.detectors, &study.llms}) {
    for (const Model& model : *models) {
      for (const Variant& variant : model.variants) {
        std::string method = variant.method;
        if (method.empty() && variant.is_reference)
          method = variant.dequantized ? "reference, dequantized" : "reference";
        if (method.empty() && variant.int8_operators && *variant.int8_operators > 0) {
          method = std::to_string(*variant.int8_operators) + " operators in int8";
          if (variant.float_operators)
            method += ", " + std::to_string(*variant.float_operators) + " in float";
        }
        const auto whole = [](const std::optional<double>& value) {
          return value ? grouped(static_cast<std::int64_t>(*value)) : std::string();
        };
        const bool measured = variant.bytes.has_value();
        if (!measured) continue;
        rows.add(model, {variant.name, method, whole(variant.bits),
                         variant.group_size && *variant.group_size > 0 ? whole(variant.group_size) : "",
                         variant.calibration && *variant.calibration > 0 ? whole(variant.calibration) : "",
                         variant.quantize_seconds ? significant(*variant.quantize_seconds) : ""});
      }
    }
  }
  return table;
}

Table detector_results(const Study& study) {
  Table table{"detector-results",
              std::string("Object detectors: size, accuracy and inference time. AP in percent, changes in "
                          "points; inference time of one picture, ") +
                  threads_text(study.detectors, "inference") + ". " + kLegend,
              {{"Model"},
               {"Variant"},
               {"MB", true},
               {"× smaller", true},
               {"AP", true},
               {"change of AP", true},
               {"kept, %", true},
               {"time, s", true},
               {"× as fast", true}},
              {}};
  ModelRows rows(table);
  for (const Model& model : study.detectors) {
    for (const Variant& variant : model.variants) {
      const Speed* speed = variant.speed("inference");
      rows.add(model, {variant.name, size_text(variant), ratio_text(model, variant),
                       variant.quality ? percent_with_interval(variant.quality->value) : kAbsent,
                       difference_text(variant), kept_text(model, variant), median_text(speed),
                       speedup_text(variant, speed)});
    }
  }
  return table;
}

Table detector_details(const Study& study) {
  Table table{"detector-details",
              "Object detectors: AP by overlap and size of object, in percent; milliseconds to prepare a "
              "picture and to make boxes of the "
              "outputs; peak memory.",
              {{"Model"},
               {"Variant"},
               {"AP50", true},
               {"AP75", true},
               {"small", true},
               {"medium", true},
               {"large", true},
               {"before, ms", true},
               {"after, ms", true},
               {"memory, MB", true}},
              {}};
  ModelRows rows(table);
  for (const Model& model : study.detectors) {
    for (const Variant& variant : model.variants) {
      const auto milliseconds = [](const std::optional<double>& seconds) {
        return seconds ? significant(*seconds * 1e3) : kAbsent;
      };
      rows.add(model, {variant.name, other_text(variant, "AP50"), other_text(variant, "AP75"),
                       other_text(variant, "APs"), other_text(variant, "APm"), other_text(variant, "APl"),
                       milliseconds(variant.preprocess_seconds), milliseconds(variant.postprocess_seconds),
                       variant.peak_memory_bytes ? significant(*variant.peak_memory_bytes / 1e6) : kAbsent});
    }
  }
  return table;
}

Table llm_results(const Study& study) {
  Table table{
      "llm-results",
      std::string("Language models: size and accuracy on the last word, in percent; changes in points. ") +
          kLegend,
      {{"Model"},
       {"Variant"},
       {"MB", true},
       {"× smaller", true},
       {"top 1", true},
       {"change of top 1", true},
       {"kept, %", true},
       {"top 5", true},
       {"perplexity", true}},
      {}};
  ModelRows rows(table);
  for (const Model& model : study.llms) {
    for (const Variant& variant : model.variants) {
      const Estimate* perplexity = variant.other("perplexity");
      rows.add(model, {variant.name, size_text(variant), ratio_text(model, variant),
                       variant.quality ? percent_with_interval(variant.quality->value) : kAbsent,
                       difference_text(variant), kept_text(model, variant), other_text(variant, "top-5"),
                       perplexity == nullptr ? kAbsent : significant(perplexity->value)});
    }
  }
  return table;
}

Table llm_speed(const Study& study) {
  Table table{"llm-speed",
              "Language models: tokens per second in generation and in processing of the prompt, " +
                  threads_text(study.llms, "generate") + ". " + kLegend,
              {{"Model"},
               {"Variant"},
               {"generation, tokens/s", true},
               {"× as fast", true},
               {"prompt, tokens/s", true},
               {"× as fast", true}},
              {}};
  ModelRows rows(table);
  bool any = false;
  for (const Model& model : study.llms) {
    for (const Variant& variant : model.variants) {
      const Speed* generate = variant.speed("generate");
      const Speed* prompt = variant.speed("prompt");
      any = any || generate != nullptr || prompt != nullptr;
      rows.add(model, {variant.name, speed_text(generate), speedup_text(variant, generate),
                       speed_text(prompt), speedup_text(variant, prompt)});
    }
  }
  if (!any) table.rows.clear();
  return table;
}

// Only where a study asks for more than one number of threads.
Table threads_table(const Study& study) {
  Table table{
      "threads",
      std::string("Times and speeds by number of threads: seconds per picture, or tokens per second. ") +
          kLegend,
      {{"Model"}, {"Variant"}, {"What"}, {"Threads", true}, {"Value", true}, {"× as fast", true}},
      {}};
  ModelRows rows(table);
  bool several = false;
  for (const auto* models : {&study.detectors, &study.llms}) {
    for (const Model& model : *models) {
      for (const Variant& variant : model.variants) {
        for (const Speed& speed : variant.speeds) {
          several = several || &speed != variant.speed(speed.test);
          rows.add(model, {variant.name, speed.test, std::to_string(speed.threads), speed_text(&speed),
                           speedup_text(variant, &speed)});
        }
      }
    }
  }
  if (!several) table.rows.clear();
  return table;
}

constexpr double kJoulesPerKilowattHour = 3.6e6;

// What a year of the study's requests takes less than by the reference, in kWh times `factor`.
std::string saved_text(const Study& study, const Model& model, const Variant& variant, double factor) {
  const auto& before = model.reference().joules;
  if (variant.is_reference) return "";
  if (!before || *before <= 0 || *variant.joules <= 0) return kAbsent;
  const char* test = model.task == store::Task::kDetector ? "inference" : "generate";
  const Speed* speed = variant.speed(test, variant.energy_threads);
  const Estimate saved =
      energy_saved(*before, *variant.joules, speed == nullptr ? std::nullopt : speed->speedup);
  const double yearly = *before * study.requests_per_day * 365 / kJoulesPerKilowattHour * factor;
  std::string text = significant(saved.value * yearly);
  if (saved.interval)
    text += " [" + significant(saved.interval->low * yearly) + ", " +
            significant(saved.interval->high * yearly) + "]";
  return text;
}

// Nothing computes on them.
std::string idle_gpu_text(const Study& study) {
  double watts = 0;
  for (const auto* models : {&study.detectors, &study.llms})
    for (const Model& model : *models)
      for (const Variant& variant : model.variants)
        watts = std::max(watts, variant.idle_gpu_watts.value_or(0));
  if (watts <= 0) return "";
  return " Not counted: the machine's GPUs, which compute nothing here and took up to " + significant(watts) +
         " W meanwhile.";
}

Table energy_table(const Study& study) {
  Table table{"energy",
              "Energy per picture or generated token; one measurement each, without an interval." +
                  idle_gpu_text(study),
              {{"Model"}, {"Variant"}, {"joules", true}, {"Wh per 1,000", true}},
              {}};
  if (study.gco2e_per_kwh) {
    table.columns.push_back({"g CO2e per 1,000", true});
    table.caption += " Electricity" + (study.country.empty() ? "" : " of " + study.country) + ": " +
                     significant(*study.gco2e_per_kwh) + " g CO2e per kWh.";
  }
  const bool yearly = study.requests_per_day > 0;
  if (yearly) {
    table.columns.push_back({"kWh saved per year", true});
    table.caption +=
        " Saved per year: against the reference, at " +
        grouped(static_cast<std::int64_t>(study.requests_per_day)) +
        " pictures or tokens a day; in brackets the 95 % interval of the paired times, with power as it "
        "was measured.";
    if (study.gco2e_per_kwh) table.columns.push_back({"kg CO2e saved per year", true});
  }
  table.columns.push_back({"How", false});
  ModelRows rows(table);
  for (const auto* models : {&study.detectors, &study.llms}) {
    for (const Model& model : *models) {
      for (const Variant& variant : model.variants) {
        if (!variant.joules) continue;
        const double per_thousand = *variant.joules * 1000 / kJoulesPerKilowattHour;
        std::vector<std::string> cells{variant.name, significant(*variant.joules),
                                       significant(1000 * per_thousand)};
        if (study.gco2e_per_kwh) cells.push_back(significant(per_thousand * *study.gco2e_per_kwh));
        if (yearly) {
          cells.push_back(saved_text(study, model, variant, 1));
          if (study.gco2e_per_kwh)
            cells.push_back(saved_text(study, model, variant, *study.gco2e_per_kwh / 1000));
        }
        cells.push_back(variant.energy_method);
        rows.add(model, std::move(cells));
      }
    }
  }
  return table;
}

Table failures_table(const Study& study) {
  Table table{"failures",
              "What could not be measured, and why.",
              {{"Model"}, {"Variant"}, {"Measurement"}, {"Reason"}},
              {}};
  for (const Failure& failure : study.failures)
    table.rows.push_back({failure.model, failure.variant, failure.kind, failure.error});
  return table;
}

}  // namespace

std::vector<Table> make_tables(const Study& study) {
  std::vector<Table> tables;
  for (Table& table :
       std::vector<Table>{machine_table(study), models_table(study), settings_table(study),
                          detector_results(study), detector_details(study), llm_results(study),
                          llm_speed(study), threads_table(study), energy_table(study), failures_table(study)})
    if (!table.rows.empty()) tables.push_back(std::move(table));
  return tables;
}

std::vector<Json> result_rows(const Study& study) {
  std::vector<Json> rows;
  for (const auto* models : {&study.detectors, &study.llms}) {
    for (const Model& model : *models) {
      for (const Variant& variant : model.variants) {
        const auto add = [&](const std::string& figure, double value, const std::optional<Interval>& interval,
                             std::int64_t n, const std::string& unit) {
          rows.push_back({{"task", store::to_string(model.task)},
                          {"model", model.name},
                          {"variant", variant.name},
                          {"figure", figure},
                          {"value", value},
                          {"low", interval ? Json(interval->low) : Json()},
                          {"high", interval ? Json(interval->high) : Json()},
                          {"n", n > 0 ? Json(n) : Json()},
                          {"unit", unit}});
        };
        if (variant.bytes) add("size", *variant.bytes, std::nullopt, 0, "bytes");
        if (variant.quality) {
          const bool detector = model.task == store::Task::kDetector;
          add(detector ? "AP" : "top-1", variant.quality->value.value, variant.quality->value.interval,
              variant.quality->count, "share");
          for (const auto& [name, estimate] : variant.quality->others)
            add(name, estimate.value, estimate.interval, variant.quality->count,
                name == "perplexity" ? "" : "share");
          if (const auto& paired = variant.quality->against_reference) {
            add("difference", paired->difference, paired->interval, variant.quality->count, "share");
            if (paired->p_value)
              add("difference p value", *paired->p_value, std::nullopt, variant.quality->count, "");
          }
        }
        for (const Speed& speed : variant.speeds) {
          const std::string name = speed.test + ", " + std::to_string(speed.threads) + " threads";
          add(name, speed.value.value, speed.value.interval, speed.rounds,
              speed.test == "inference" ? "seconds" : "tokens per second");
          if (speed.speedup)
            add(name + ", times as fast", speed.speedup->value, speed.speedup->interval, speed.rounds, "");
        }
        if (variant.peak_memory_bytes)
          add("peak memory", *variant.peak_memory_bytes, std::nullopt, 0, "bytes");
        if (variant.joules)
          add("energy (" + variant.energy_method + ")", *variant.joules, std::nullopt, 0, "joules");
      }
    }
  }
  return rows;
}

}  // namespace assay::report
