#include "flow/study/study_energy.h"

#include <chrono>
#include <ctime>

#include "base/elapsed.h"
#include "measure/energy.h"
#include "measure/gpu_energy.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSeconds = 2;

double cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

}  // namespace

bool counts_energy() { return measure::EnergyCounter::start().has_value(); }

Result<store::Json> measure_energy(const std::function<Status()>& once, double units,
                                   std::optional<double> watts_per_core) {
  auto counter = measure::EnergyCounter::start();
  if (!counter && !watts_per_core) return counter.error();
  const auto gpus = measure::GpuEnergyCounter::start();
  const double cpu_before = cpu_seconds();
  const auto start = Clock::now();
  double done = 0, seconds = 0;
  while (seconds < kSeconds) {
    ASSAY_RETURN_IF_ERROR(once());
    done += units;
    seconds = seconds_since(start);
  }
  const double cpu = cpu_seconds() - cpu_before;
  double joules = cpu * watts_per_core.value_or(0);
  std::string method = "estimated: " + std::to_string(watts_per_core.value_or(0)) + " W per busy core";
  if (counter) {
    ASSAY_TRY(const auto energy, counter->read());
    joules = energy.package_joules + energy.dram_joules.value_or(0);
    method = "RAPL, whole machine";
  }
  store::Json idle_gpus = nullptr;
  if (gpus) {
    ASSAY_TRY(idle_gpus, gpus->read());
  }
  return store::Json{{"joules_per_unit", joules / done},
                     {"units", done},
                     {"seconds", seconds},
                     {"cpu_seconds", cpu},
                     {"estimated", !counter.has_value()},
                     {"method", method},
                     {"idle_gpu_joules", std::move(idle_gpus)}};
}

}  // namespace assay
