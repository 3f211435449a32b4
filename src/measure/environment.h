// On what machine, and in which state of it, something was measured.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace assay::measure {

// What could not be found out is absent, never guessed.
struct Environment {
  std::string version;   // of this program
  std::string compiler;  // that built it: "GCC 12.2.0"
  std::string isa;       // cpu_features: "avx2 avx512 ...", "none"
  std::optional<std::string> cpu_model;
  int usable_cpus = 0;                // logical processors that this process may run on
  std::optional<int> physical_cores;  // of the machine
  std::optional<double> cpu_quota;    // processors' worth of time that a limited container may use
  std::optional<std::uint64_t> memory_total_bytes;
  std::optional<std::uint64_t> last_level_cache_bytes;  // all of them together
  std::optional<std::string> governor;                  // of processor 0: "performance", "powersave", ...
  std::optional<std::string> kernel;                    // of the operating system: "6.1.0-18-amd64"
  std::optional<double> load_average;                   // over the last minute
};

// `root` is put before /proc and /sys, for tests.
Environment read_environment(const std::filesystem::path& root = "/");

// All last-level caches of the machine together, each counted once however many processors share it.
std::optional<std::uint64_t> read_last_level_cache_bytes(const std::filesystem::path& root = "/");

struct CpuInfo {
  std::optional<std::string> model;
  std::optional<int> physical_cores;  // distinct pairs of "physical id" and "core id"
};
// The content of /proc/cpuinfo.
CpuInfo parse_cpu_info(std::string_view text);

// A line "name: <number> kB" of /proc/meminfo, in bytes.
std::optional<std::uint64_t> parse_memory_field(std::string_view text, std::string_view name);

}  // namespace assay::measure
