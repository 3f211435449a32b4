#include "measure/throughput.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>

#include "measure/statistics.h"
#include "measure/text_fields.h"

namespace assay::measure {
namespace {

// One reading of the machine's and of our own use of the processors.
struct CpuReading {
  CpuTicks machine;
  double own_seconds = 0;
};

std::optional<CpuReading> read_cpu() {
  const auto text = read_text("/proc/stat");
  if (!text) return std::nullopt;
  const auto ticks = parse_cpu_ticks(*text);
  timespec own{};
  if (!ticks || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own) != 0) return std::nullopt;
  return CpuReading{*ticks, static_cast<double>(own.tv_sec) + 1e-9 * static_cast<double>(own.tv_nsec)};
}

std::optional<double> other_share_since(const std::optional<CpuReading>& before) {
  const auto after = read_cpu();
  const long ticks_per_second = sysconf(_SC_CLK_TCK);
  if (!before || !after || ticks_per_second <= 0) return std::nullopt;
  const double own_ticks = (after->own_seconds - before->own_seconds) * static_cast<double>(ticks_per_second);
  return other_cpu_share(before->machine, after->machine, own_ticks);
}

std::optional<double> drift_of(std::span<const double> seconds) {
  if (seconds.size() < 4) return std::nullopt;
  const std::size_t half = seconds.size() / 2;
  const double first = median(seconds.first(half));
  if (!(first > 0)) return std::nullopt;
  return median(seconds.last(half)) / first - 1;
}

void add_statistics(TimingRecord* record) {
  record->median_seconds = median(record->seconds);
  record->mean_seconds = mean(record->seconds);
  record->min_seconds = *std::min_element(record->seconds.begin(), record->seconds.end());
  record->stddev_seconds = sample_stddev(record->seconds);
  record->drift = drift_of(record->seconds);
  record->noisy = record->other_cpu_share.value_or(0) > kNoisyShare;
}

}  // namespace

Result<CpuTicks> parse_cpu_ticks(std::string_view text) {
  // user nice system idle iowait irq softirq steal; guest times that follow are contained in user and nice
  // (proc(5)).
  constexpr int kNumFields = 8;
  constexpr int kIdle = 3, kInputOutput = 4;
  const auto fields = find_field(text, "cpu", ' ');
  if (!fields) return Error{ErrorCode::kUnsupported, "/proc/stat has no line \"cpu\""};
  std::string_view rest = *fields;
  CpuTicks ticks;
  for (int field = 0; field < kNumFields; ++field) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const auto value = parse_unsigned(rest.substr(0, end));
    if (!value) return Error{ErrorCode::kUnsupported, "/proc/stat: line \"cpu\" does not have 8 numbers"};
    rest = trimmed(rest.substr(end));
    ticks.total += *value;
    if (field != kIdle && field != kInputOutput) ticks.busy += *value;
  }
  return ticks;
}

std::optional<double> other_cpu_share(const CpuTicks& before, const CpuTicks& after, double own_ticks) {
  // The kernel may let idle and iowait fall by a little, so differences are checked.
  if (after.total < before.total + kMinTicks || after.busy < before.busy) return std::nullopt;
  const double others = static_cast<double>(after.busy - before.busy) - own_ticks;
  return std::clamp(others / static_cast<double>(after.total - before.total), 0.0, 1.0);
}

Result<TimingRecord> time_repetitions(const std::function<Status()>& body, const TimingOptions& options) {
  if (options.warmup < 0 || options.repetitions < 1) {
    return Error{ErrorCode::kInvalidArgument, "warmup is " + std::to_string(options.warmup) +
                                                  " and repetitions " + std::to_string(options.repetitions) +
                                                  "; expected at least 0 and at least 1"};
  }
  for (int i = 0; i < options.warmup; ++i) ASSAY_RETURN_IF_ERROR(body());
  TimingRecord record;
  record.seconds.reserve(static_cast<std::size_t>(options.repetitions));
  const auto before = read_cpu();
  for (int i = 0; i < options.repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    ASSAY_RETURN_IF_ERROR(body());
    record.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  record.other_cpu_share = other_share_since(before);
  add_statistics(&record);
  return record;
}

}  // namespace assay::measure
