#include "flow/time_in_rounds.h"

#include <algorithm>
#include <cmath>

#include "base/interrupt.h"
#include "measure/statistics.h"
#include "measure/throughput.h"

namespace assay {
namespace {

constexpr int kWarmupRuns = 2;  // the caches hold the model that had its turn before
constexpr int kMostRunsPerTurn = 10000;

// One model while it is timed.
struct Contender {
  litert::Runner runner;
  int runs_per_turn = 0;
  std::vector<double> seconds, round_medians, other_shares;
};

Result<measure::TimingRecord> turn(litert::Runner& runner, int runs) {
  const auto once = [&]() -> Status {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    return runner.invoke();
  };
  return measure::time_repetitions(once, {.warmup = kWarmupRuns, .repetitions = runs});
}

Result<std::vector<Contender>> prepare(std::span<const TimedModel> models,
                                       const std::shared_ptr<const litert::Library>& library, int threads,
                                       double seconds_per_turn) {
  std::vector<Contender> contenders;
  for (const TimedModel& timed : models) {
    ASSAY_TRY(litert::Runner runner, timed.model->run_with(library, {.threads = threads}));
    if (runner.inputs().size() != 1) {
      return Error{ErrorCode::kInvalidArgument, timed.model->path().string() + ": has " +
                                                    std::to_string(runner.inputs().size()) +
                                                    " inputs, expected one"};
    }
    ASSAY_RETURN_IF_ERROR(runner.set_input(0, timed.input));
    constexpr int kTrialRuns = 3;
    ASSAY_TRY(const auto trial, turn(runner, kTrialRuns));
    const double runs = std::ceil(seconds_per_turn / trial.median_seconds);
    contenders.push_back(
        {std::move(runner), static_cast<int>(std::clamp<double>(runs, 1, kMostRunsPerTurn)), {}, {}, {}});
  }
  return contenders;
}

RoundTimes summary(const Contender& contender, int threads) {
  RoundTimes times;
  times.threads = threads;
  times.runs = static_cast<int>(contender.seconds.size());
  times.median_seconds = measure::median(contender.seconds);
  times.p90_seconds = measure::percentile(contender.seconds, 90);
  times.deviation_seconds = measure::sample_stddev(contender.round_medians).value_or(0);
  times.noisy =
      !contender.other_shares.empty() && measure::mean(contender.other_shares) > measure::kNoisyShare;
  return times;
}

}  // namespace

Result<std::vector<std::vector<RoundTimes>>> time_in_rounds(std::span<const TimedModel> models,
                                                            std::shared_ptr<const litert::Library> library,
                                                            const RoundOptions& options, Progress& progress) {
  const bool threads_fit =
      std::all_of(options.threads.begin(), options.threads.end(), [](int count) { return count >= 1; });
  if (options.rounds < 2 || !(options.seconds_per_turn >= 0) || !threads_fit) {
    return Error{ErrorCode::kInvalidArgument,
                 "rounds: expected at least 2, of at least 0 s, with at least 1 thread each"};
  }
  std::vector<std::vector<RoundTimes>> result(models.size());
  const auto total = static_cast<std::int64_t>(options.threads.size()) * options.rounds;
  std::int64_t done = 0;
  for (const int threads : options.threads) {
    ASSAY_TRY(auto contenders, prepare(models, library, threads, options.seconds_per_turn));
    for (int round = 0; round < options.rounds; ++round) {
      progress.update("timing", done++, total);
      for (Contender& contender : contenders) {
        ASSAY_TRY(const auto timing, turn(contender.runner, contender.runs_per_turn));
        contender.seconds.insert(contender.seconds.end(), timing.seconds.begin(), timing.seconds.end());
        contender.round_medians.push_back(timing.median_seconds);
        if (timing.other_cpu_share) contender.other_shares.push_back(*timing.other_cpu_share);
      }
    }
    for (std::size_t i = 0; i < contenders.size(); ++i) result[i].push_back(summary(contenders[i], threads));
  }
  progress.update("timing", total, total);
  return result;
}

}  // namespace assay
