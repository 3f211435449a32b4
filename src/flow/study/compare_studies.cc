#include "flow/study/compare_studies.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "eval/paired.h"
#include "measure/statistics.h"

namespace assay {
namespace {

using store::Json;
using store::Measurement;

constexpr double kLevel = 0.05;
constexpr int kResamples = 1000;
constexpr std::uint64_t kSeed = 1;

// All that a study knows of one figure.
struct Figure {
  store::Task task = store::Task::kDetector;
  std::string model, variant, name, unit;
  std::vector<double> values;            // of the rounds, for timings; else one
  std::optional<double> standard_error;  // of the one
  std::string correct;                   // of LAMBADA: one letter per example
  std::string data;                      // digest of what it was measured on
};

using Key = std::tuple<std::string, std::string, std::string>;  // model, variant, name

struct Figures {
  std::vector<Key> order;
  std::map<Key, Figure> by_key;

  Figure& at(const Measurement& row, const std::string& name, const std::string& unit) {
    const Key key{row.subject.model, row.subject.variant, name};
    const auto [found, inserted] = by_key.try_emplace(key);
    if (inserted) {
      order.push_back(key);
      found->second.task = row.subject.task;
      found->second.model = row.subject.model;
      found->second.variant = row.subject.variant;
      found->second.name = name;
      found->second.unit = unit;
    }
    return found->second;
  }
};

std::optional<double> number(const Json& figures, const std::string& key) {
  const auto found = figures.find(key);
  if (found == figures.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::string text(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

void add_value(Figures& figures, const Measurement& row, const std::string& name, const std::string& unit,
               const std::string& key) {
  if (const auto value = number(row.figures, key)) figures.at(row, name, unit).values.push_back(*value);
}

std::string threads_text(const Measurement& row) {
  const auto threads = number(row.subject.settings, "threads");
  return threads ? ", " + std::to_string(static_cast<int>(*threads)) + " threads" : "";
}

void add_accuracy(Figures& figures, const Measurement& row) {
  const bool llm = row.subject.task == store::Task::kLlm;
  const auto value = number(row.figures, llm ? "accuracy" : "AP");
  if (!value) return;
  Figure& figure = figures.at(row, llm ? "accuracy" : "AP", "");
  figure.values.push_back(*value);
  figure.data = text(row.subject.settings, llm ? "data" : "annotations");
  if (llm) {
    figure.standard_error = number(row.figures, "accuracy_stderr");
    figure.correct = text(row.figures, "correct");
  } else {
    const Json intervals = row.figures.value("intervals", Json::object());
    if (intervals.is_object())
      figure.standard_error = number(intervals.value("AP", Json::object()), "stderr");
  }
}

Result<Figures> read_figures(store::Store& store) {
  ASSAY_TRY(const auto rows, store.planned());
  Figures figures;
  for (const auto& row : rows) {
    const std::string& kind = row.subject.kind;
    if (kind == "quantize") {
      const bool llm = row.subject.task == store::Task::kLlm;
      add_value(figures, row, "size", "bytes", llm ? "total_bytes" : "output_bytes");
    } else if (kind == "accuracy") {
      add_accuracy(figures, row);
      if (row.subject.task == store::Task::kLlm) add_value(figures, row, "perplexity", "", "perplexity");
    } else if (kind == "latency") {
      add_value(figures, row, "latency" + threads_text(row), "s", "median_seconds");
    } else if (kind == "throughput") {
      add_value(figures, row, text(row.subject.settings, "test") + " tokens/s" + threads_text(row),
                "tokens/s", "tokens_per_second");
    } else if (kind == "memory") {
      add_value(figures, row, "peak memory" + threads_text(row), "bytes", "peak_rss_bytes");
    }
  }
  return figures;
}

double normal_p_value(double difference, double deviation) {
  return deviation > 0 ? std::erfc(std::fabs(difference) / deviation / std::sqrt(2.0))
                       : (difference == 0 ? 1 : 0);
}

std::optional<eval::PairedRecord> mcnemar(const Figure& a, const Figure& b) {
  if (a.correct.empty() || a.correct.size() != b.correct.size() || a.data != b.data) return std::nullopt;
  const std::vector<std::uint8_t> first(a.correct.begin(), a.correct.end());
  const std::vector<std::uint8_t> second(b.correct.begin(), b.correct.end());
  std::vector<std::uint8_t> right_first, right_second;
  for (const auto c : first) right_first.push_back(c == '1' ? 1 : 0);
  for (const auto c : second) right_second.push_back(c == '1' ? 1 : 0);
  const auto paired = eval::compare_paired(right_first, right_second);
  return paired ? std::optional(*paired) : std::nullopt;
}

void judge(const Figure& a, const Figure& b, StudyDifference& difference) {
  const double change = difference.second - difference.first;
  const Verdict direction = change < 0 ? Verdict::kLower : Verdict::kHigher;
  const auto by_p_value = [&](double p_value, const char* method) {
    difference.p_value = p_value;
    difference.method = method;
    difference.verdict = change == 0 ? Verdict::kSame : p_value < kLevel ? direction : Verdict::kNoise;
  };
  if (const auto paired = mcnemar(a, b)) {
    by_p_value(paired->p_value, "McNemar");
  } else if (a.standard_error && b.standard_error) {
    by_p_value(normal_p_value(change, std::hypot(*a.standard_error, *b.standard_error)), "standard errors");
  } else if (a.values.size() > 1 && b.values.size() > 1) {
    const auto first = measure::bootstrap_median_interval(a.values, 1 - kLevel, kResamples, kSeed);
    const auto second = measure::bootstrap_median_interval(b.values, 1 - kLevel, kResamples, kSeed);
    const bool apart = first.high < second.low || second.high < first.low;
    difference.method = "intervals of the medians";
    difference.verdict = change == 0 ? Verdict::kSame : apart ? direction : Verdict::kNoise;
  } else {
    difference.method = "as it is";
    difference.verdict = change == 0 ? Verdict::kSame : direction;
  }
}

std::string label(const Key& key) {
  return std::get<0>(key) + " " + std::get<1>(key) + " " + std::get<2>(key);
}

Result<Json> environment_of(store::Store& store) {
  ASSAY_TRY(const auto rows, store.planned());
  return rows.empty() ? Json::object() : rows.back().environment;
}

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSame:
      return "same";
    case Verdict::kNoise:
      return "within noise";
    case Verdict::kLower:
      return "lower";
    case Verdict::kHigher:
      return "higher";
  }
  return "?";
}

Result<StudyComparison> compare_studies(store::Store& first, store::Store& second) {
  ASSAY_TRY(const Figures a, read_figures(first));
  ASSAY_TRY(const Figures b, read_figures(second));
  StudyComparison comparison;
  for (const Key& key : a.order) {
    const auto other = b.by_key.find(key);
    if (other == b.by_key.end()) {
      comparison.only_first.push_back(label(key));
      continue;
    }
    const Figure& figure = a.by_key.at(key);
    StudyDifference difference{figure.task,
                               figure.model,
                               figure.variant,
                               figure.name,
                               figure.unit,
                               measure::median(figure.values),
                               measure::median(other->second.values),
                               {},
                               {},
                               {}};
    judge(figure, other->second, difference);
    if (figure.data != other->second.data)
      comparison.notes.push_back(label(key) + ": measured on other data");
    comparison.differences.push_back(std::move(difference));
  }
  for (const Key& key : b.order) {
    if (!a.by_key.contains(key)) comparison.only_second.push_back(label(key));
  }
  ASSAY_TRY(const Json environment, environment_of(first));
  ASSAY_TRY(const Json other, environment_of(second));
  for (const auto& [key, value] : environment.items()) {
    if (other.contains(key) && other[key] != value)
      comparison.notes.push_back(key + " differs: " + value.dump() + " and " + other[key].dump());
  }
  return comparison;
}

}  // namespace assay
