#include "flow/compare_speed.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "flow/seeded_input.h"
#include "measure/statistics.h"

namespace assay {
namespace {

constexpr int kWarmupRuns = 2;
constexpr int kFewestRounds = 5, kMostRounds = 100;
constexpr double kSeconds = 2;
constexpr double kEqual = 1.05;

using Clock = std::chrono::steady_clock;

Result<double> time_once(litert::Runner& runner) {
  ASSAY_RETURN_IF_ERROR(check_interrupt());
  const auto start = Clock::now();
  ASSAY_RETURN_IF_ERROR(runner.invoke());
  return seconds_since(start);
}

Result<litert::Runner> warm_runner(const CheckedTflite& model,
                                   const std::shared_ptr<const litert::Library>& library, int threads) {
  ASSAY_TRY(litert::Runner runner, model.run_with(library, {.threads = threads}));
  ASSAY_RETURN_IF_ERROR(fill_inputs(runner));
  for (int i = 0; i < kWarmupRuns; ++i) ASSAY_RETURN_IF_ERROR(runner.invoke());
  return runner;
}

}  // namespace

bool SpeedComparison::second_is_slower() const {
  return second_median_seconds > kEqual * first_median_seconds &&
         second_min_seconds > kEqual * first_min_seconds;
}

Result<SpeedComparison> compare_speed(const CheckedTflite& first, const CheckedTflite& second,
                                      const std::shared_ptr<const litert::Library>& library, int threads,
                                      Progress& progress) {
  ASSAY_TRY(litert::Runner first_runner, warm_runner(first, library, threads));
  ASSAY_TRY(litert::Runner second_runner, warm_runner(second, library, threads));
  std::vector<double> first_seconds, second_seconds;
  double spent = 0;
  int rounds = kMostRounds;
  for (int round = 0; round < rounds; ++round) {
    ASSAY_TRY(const double a, time_once(first_runner));
    ASSAY_TRY(const double b, time_once(second_runner));
    first_seconds.push_back(a);
    second_seconds.push_back(b);
    spent += a + b;
    if (round == 0)
      rounds = static_cast<int>(std::clamp(kSeconds / spent, 1.0 * kFewestRounds, 1.0 * kMostRounds));
    progress.update("comparing speed", round + 1, rounds);
  }
  return SpeedComparison{rounds, measure::median(first_seconds), measure::median(second_seconds),
                         *std::min_element(first_seconds.begin(), first_seconds.end()),
                         *std::min_element(second_seconds.begin(), second_seconds.end())};
}

}  // namespace assay
