// Timing something repeatedly, and whether the machine was quiet meanwhile.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace assay::measure {

// Of all processors together since boot, in clock ticks (1/100 s as a rule).
struct CpuTicks {
  std::uint64_t total = 0;
  std::uint64_t busy = 0;  // without idle and waiting for input or output; with what the hypervisor stole
};
// The content of /proc/stat. Errors: kUnsupported if it lacks the line "cpu".
Result<CpuTicks> parse_cpu_ticks(std::string_view text);

// The share of the machine's processor time that others than this process used between two readings, from 0
// to 1; time stolen by the hypervisor counts. `own_ticks`: what this process used meanwhile. None if fewer
// than kMinTicks passed.
std::optional<double> other_cpu_share(const CpuTicks& before, const CpuTicks& after, double own_ticks);
inline constexpr std::uint64_t kMinTicks = 20;

struct TimingOptions {
  int warmup = 1;       // runs before the first that counts, >= 0
  int repetitions = 5;  // >= 1
};

struct TimingRecord {
  std::vector<double> seconds;  // one per repetition, in order
  double median_seconds = 0;
  double mean_seconds = 0;
  double min_seconds = 0;
  std::optional<double> stddev_seconds;  // sample deviation; none for one repetition
  // Median of the second half / median of the first half - 1, from 4 repetitions on; heating up: > 0.
  std::optional<double> drift;
  std::optional<double> other_cpu_share;  // over all repetitions; none where it cannot be told
  bool noisy = false;                     // other_cpu_share > kNoisyShare: the times are not to be trusted
};
inline constexpr double kNoisyShare = 0.05;

// Runs `body` warmup + repetitions times and times the latter with the steady clock.
// Errors: what `body` returns, at once; kInvalidArgument for options out of range.
Result<TimingRecord> time_repetitions(const std::function<Status()>& body, const TimingOptions& options);

}  // namespace assay::measure
