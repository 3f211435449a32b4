// How fast a .tflite model runs on this machine, and how much memory it takes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "flow/operator_profile.h"
#include "flow/tflite_runner.h"
#include "measure/throughput.h"

namespace assay {

struct DetectorBenchOptions {
  std::vector<int> threads;  // each >= 1; empty: all of the machine
  int min_runs = 50;         // unless max_seconds pass before
  double min_seconds = 2;    // short models run longer than min_runs
  double max_seconds = 10;   // per number of threads; at least 5 runs whatever happens
};

// Of one number of threads. A run is the inference alone: input and output are copied outside of it.
struct DetectorBenchRow {
  int threads = 0;
  measure::TimingRecord timing;
  double p90_seconds = 0, p99_seconds = 0;  // the median and others are in `timing`
  OperatorProfile profile;                  // of runs apart from those that were timed
  std::optional<std::uint64_t> peak_rss_bytes;
  std::string peak_rss_note;  // why there is none
};

struct DetectorBench {
  std::uint64_t model_bytes = 0;
  std::vector<DetectorBenchRow> rows;
};

// Inputs are seeded pseudo-random bytes (floats: 0 to 255). Warm-up runs do not count. Memory is the peak of
// a fresh child process that loads the library and the model and runs it three times. Errors:
// kInvalidArgument (threads < 1), kInterrupted, those of the runtime.
Result<DetectorBench> bench_detector(const CheckedTflite& model, const DetectorBenchOptions& options,
                                     Progress& progress);

}  // namespace assay
