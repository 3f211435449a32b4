// Energy that the processor itself counts (RAPL), where the system lets us read it. Never estimated.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace assay::measure {

// Of the whole machine, not of this process alone: whatever else ran is in it.
struct EnergyRecord {
  double seconds = 0;
  double package_joules = 0;          // all processor packages together
  std::optional<double> dram_joules;  // memory, where the machine counts it apart
  std::vector<std::string> domains;   // what was summed: "package-0", "dram", ...
};

// Reads <root>/intel-rapl:*/{name,energy_uj,max_energy_range_uj}: the zones named package-*, and their
// sub-zones named dram. (AMD's counters appear under the same name; psys contains the packages and core is
// contained in them, so neither is added.) Not thread safe.
class EnergyCounter {
 public:
  // Errors, whose message is the reason to print beside "not available": kNotFound where there is no package
  // zone (no RAPL: virtual machines, other processors), kIo where the counters may not be read (by default
  // only root may), kCorrupt where their content is not a number.
  static Result<EnergyCounter> start(const std::filesystem::path& root = "/sys/class/powercap");

  // Takes the counters in between. A counter wraps around at max_energy_range_uj (often 262 kJ: 20 minutes at
  // 200 W) and one wrap between two readings is recognised, two are not: call at least every few minutes of a
  // long run.
  Status sample();

  // Reads the counters: the energy since start(). May be called again.
  Result<EnergyRecord> read();

 private:
  struct Zone {
    std::string name;
    std::filesystem::path counter;
    std::uint64_t range_microjoules = 0;
    std::uint64_t last_microjoules = 0;
    std::uint64_t used_microjoules = 0;
  };
  EnergyCounter() = default;
  static Status add_zone(const std::filesystem::path& folder, const std::string& name,
                         std::vector<Zone>* zones);

  std::vector<Zone> zones_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace assay::measure
