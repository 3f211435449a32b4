// A study as the report sees it: the measurements of each variant put together, with intervals and
// comparisons.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace assay::report {

using Json = store::Json;

// 95 % wherever nothing else is said.
struct Interval {
  double low = 0;
  double high = 0;
};

struct Estimate {
  double value = 0;
  std::optional<Interval> interval;
};

// What a paired comparison allows to say. kUnknown: neither an interval nor a p value was kept.
enum class Verdict { kLower, kHigher, kNotDistinguishable, kUnknown };

struct Comparison {
  double difference = 0;  // this variant minus its reference
  std::optional<Interval> interval;
  std::optional<double> p_value;
};

// kLower and kHigher only where whatever is there of the interval (does not hold 0) and of the p value (below
// 0.05) says so.
Verdict verdict(const Comparison& comparison);

// The accuracy that a study is about: COCO AP, or the share of LAMBADA's words that were right.
struct Quality {
  Estimate value;  // 0 to 1
  std::int64_t count = 0;
  // "AP50", "AP75", "APs", "APm", "APl", "AR100"; "top-5", "top-10", "perplexity"; those that exist.
  std::vector<std::pair<std::string, Estimate>> others;
  std::optional<Comparison> against_reference;
  std::optional<std::int64_t> near_ties;
};

struct Speed {
  std::string test;  // "inference": seconds per picture; "generate", "prompt": tokens per second
  int threads = 0;
  Estimate value;               // median of the rounds; percentile bootstrap over rounds
  int rounds = 0;               // that the figures are made of
  int left_out = 0;             // rounds that other programs disturbed
  bool noisy = false;           // so many rounds were disturbed that they had to be used
  std::vector<double> samples;  // single inferences of the rounds, in seconds
  // Times as fast as the reference in the same rounds: geometric mean, t interval over rounds.
  std::optional<Estimate> speedup;
};

struct Category {
  std::string name;
  double difference = 0;  // of AP
  std::optional<std::int64_t> truths;
};

struct Layer {
  std::string name;
  double error = 0;  // relative squared error of its outputs
};

struct Drawing {
  std::string source;  // the picture
  std::string image;   // with boxes, a path relative to the study's folder
  std::size_t detections = 0;
};

struct Variant {
  std::string name;
  bool is_reference = false;
  std::optional<double> bytes;
  std::optional<double> quantize_seconds;
  std::optional<double> linear_bytes, embedding_bytes;
  std::optional<double> bits, group_size;
  std::optional<double> calibration;  // pictures or tokens
  std::string method;
  bool dequantized = false;  // made from constants that were float16 or integers before
  std::optional<int> int8_operators, float_operators;
  std::vector<std::string> warnings;
  std::optional<Quality> quality;
  std::optional<double> preprocess_seconds, postprocess_seconds;
  std::vector<Category> categories;
  std::vector<Layer> layers;
  std::vector<Speed> speeds;  // in the order of the plan
  std::optional<double> peak_memory_bytes;
  std::optional<double> joules;  // per picture or generated token
  std::string energy_method;
  bool energy_estimated = false;
  int energy_threads = 0;  // that it was measured with; 0: not told
  std::optional<double> idle_gpu_watts;
  std::vector<Drawing> drawings;

  // The first of its kind: the number of threads that the figures show.
  const Speed* speed(const std::string& test) const;
  // The one with that number of threads; nullptr where it was not timed.
  const Speed* speed(const std::string& test, int threads) const;
  const Estimate* other(const std::string& name) const;
};

struct Model {
  store::Task task = store::Task::kDetector;
  std::string name, source, licence, data;
  std::vector<Variant> variants;  // as the study lists them: the reference first, unmeasured ones too

  const Variant& reference() const { return variants.front(); }
  const Variant* variant(const std::string& name) const;
};

struct Failure {
  std::string model, variant, kind, error;
};

struct Study {
  std::string title, author, date;
  Json texts = Json::object();  // what the user wrote, by section
  std::string file;             // the study's own description
  std::vector<Model> detectors, llms;
  std::vector<Failure> failures;
  std::string country;                  // whose electricity it is, "" where the study does not say
  std::optional<double> gco2e_per_kwh;  // of it
  double requests_per_day = 0;          // that a deployment would answer; 0: not given
  std::vector<Json> environments;       // those that differ, in order of appearance
  std::vector<std::string> pinnings;    // to which cores timings were pinned or why not, those that differ
  std::vector<std::string> commands;
  std::string first_measured, last_measured;
};

// Errors: those of the store; kInvalidArgument where nothing has been measured yet, or a row lacks what
// docs/records.md says it has, naming model, variant, kind and field. Figures that are null are left out.
Result<Study> read_study(store::Store& store);

}  // namespace assay::report
