// What a study keeps of everything that it measures. docs/records.md tells which figures each kind has.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace assay::store {

// Numbers, texts and lists by name; keys keep their order.
using Json = nlohmann::ordered_json;

enum class Task { kDetector, kLlm };
const char* to_string(Task task);  // "detector", "llm"

// What is to be measured. Two with equal fields are the same measurement, whoever asks.
struct Subject {
  Task task = Task::kDetector;
  std::string model;    // as the study calls it
  std::string variant;  // "float32", "float16", "int8", "int4", ...
  std::string kind;     // "quantize", "accuracy", "latency", "throughput", ...
  int round = 0;        // of timings, which are repeated in turn with those of the other variants
  Json settings =
      Json::object();  // everything else that the figures depend on: digests of model and data, options

  // SHA-256 over all fields, 64 hexadecimal digits.
  std::string key() const;
};

struct Measurement {
  Subject subject;
  Json figures = Json::object();
  Json environment = Json::object();  // of the machine and the program; kept once for all that share it
  std::string command;                // the command line
  std::string started, finished;      // UTC, ISO 8601 to the second: "2026-01-31T12:00:00Z"
};

// The current time in that form.
std::string utc_now();

}  // namespace assay::store
