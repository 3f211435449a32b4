#include "flow/bench_detector.h"

#include <algorithm>
#include <cmath>

#include "base/interrupt.h"
#include "flow/seeded_input.h"
#include "measure/child_memory.h"
#include "measure/environment.h"
#include "measure/statistics.h"

namespace assay {
namespace {

constexpr int kWarmupRuns = 3;  // the first allocates, and caches warm up with the others
constexpr int kMemoryRuns = 3;
constexpr int kFewestRuns = 5;

Result<std::uint64_t> peak_memory(const CheckedTflite& model, int threads) {
  return measure::peak_memory_of([&]() -> Status {
    ASSAY_TRY(const auto library, litert::Library::open());
    ASSAY_TRY(litert::Runner runner, model.run_with(library, {.threads = threads}));
    ASSAY_RETURN_IF_ERROR(fill_inputs(runner));
    for (int i = 0; i < kMemoryRuns; ++i) ASSAY_RETURN_IF_ERROR(runner.invoke());
    return {};
  });
}

// So many that min_runs and min_seconds are reached, as far as max_seconds allow.
int number_of_runs(double seconds_per_run, const DetectorBenchOptions& options) {
  const double wanted = std::max<double>(options.min_runs, std::ceil(options.min_seconds / seconds_per_run));
  const double possible = std::max<double>(kFewestRuns, std::floor(options.max_seconds / seconds_per_run));
  return static_cast<int>(std::min({wanted, possible, 100000.0}));
}

Result<DetectorBenchRow> bench_threads(const CheckedTflite& model,
                                       const std::shared_ptr<const litert::Library>& library, int threads,
                                       const DetectorBenchOptions& options) {
  DetectorBenchRow row;
  row.threads = threads;
  ASSAY_TRY(litert::Runner runner, model.run_with(library, {.threads = threads}));
  ASSAY_RETURN_IF_ERROR(fill_inputs(runner));
  const auto once = [&]() -> Status {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    return runner.invoke();
  };
  ASSAY_TRY(const auto trial, measure::time_repetitions(once, {.warmup = kWarmupRuns, .repetitions = 3}));
  ASSAY_TRY(row.timing,
            measure::time_repetitions(
                once, {.warmup = 0, .repetitions = number_of_runs(trial.median_seconds, options)}));
  row.p90_seconds = measure::percentile(row.timing.seconds, 90);
  row.p99_seconds = measure::percentile(row.timing.seconds, 99);
  ASSAY_TRY(row.profile, profile_operators(model, library, threads));
  return row;
}

}  // namespace

Result<DetectorBench> bench_detector(const CheckedTflite& model, const DetectorBenchOptions& options,
                                     Progress& progress) {
  std::vector<int> threads = options.threads;
  if (threads.empty()) threads = {measure::read_environment().usable_cpus};
  for (const int count : threads) {
    if (count < 1)
      return Error{ErrorCode::kInvalidArgument,
                   "threads is " + std::to_string(count) + ", expected at least 1"};
  }
  // Before the library is loaded here, so that each child starts without it.
  std::vector<Result<std::uint64_t>> memory;
  for (const int count : threads) memory.push_back(peak_memory(model, count));
  ASSAY_TRY(const auto library, litert::Library::open());
  DetectorBench bench;
  bench.model_bytes = model.bytes().size();
  for (std::size_t i = 0; i < threads.size(); ++i) {
    progress.update("measuring", static_cast<std::int64_t>(i), static_cast<std::int64_t>(threads.size()));
    ASSAY_TRY(DetectorBenchRow row, bench_threads(model, library, threads[i], options));
    if (memory[i]) row.peak_rss_bytes = *memory[i];
    if (!memory[i]) row.peak_rss_note = memory[i].error().message;
    bench.rows.push_back(std::move(row));
  }
  progress.update("measuring", static_cast<std::int64_t>(threads.size()),
                  static_cast<std::int64_t>(threads.size()));
  return bench;
}

}  // namespace assay
