#include "measure/environment.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "base/cpu_features.h"
#include "measure/text_fields.h"

namespace assay::measure {
namespace {

std::string compiler_name() {
#if defined(__clang__)
  return "Clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
         std::to_string(__clang_patchlevel__);
#else
  return "GCC " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." +
         std::to_string(__GNUC_PATCHLEVEL__);
#endif
}

int count_usable_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

std::optional<std::string> read_trimmed(const std::filesystem::path& path) {
  const auto text = read_text(path);
  if (!text || trimmed(*text).empty()) return std::nullopt;
  return std::string(trimmed(*text));
}

std::optional<double> parse_first_number(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !(value >= 0)) return std::nullopt;
  return value;
}

// cgroup v2: "<microseconds of quota>|max <microseconds of period>".
std::optional<double> parse_cpu_quota(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto quota = parse_unsigned(text.substr(0, space));
  const auto period = parse_unsigned(text.substr(space + 1));
  if (!quota || !period || *period == 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

// One cache as a processor sees it; a cache is told from others of its level by who shares it.
struct Cache {
  std::uint64_t level;
  std::string shared_with;
  std::uint64_t size_bytes;
};

std::optional<Cache> read_cache(const std::filesystem::path& folder) {
  const auto type = read_trimmed(folder / "type");
  const auto level = parse_unsigned(read_trimmed(folder / "level").value_or(""));
  const auto size = parse_scaled_bytes(read_trimmed(folder / "size").value_or(""));
  const auto shared = read_trimmed(folder / "shared_cpu_list");
  if (!type || *type == "Instruction" || !level || !size || !shared) return std::nullopt;
  return Cache{*level, *shared, *size};
}

}  // namespace

CpuInfo parse_cpu_info(std::string_view text) {
  CpuInfo info;
  std::set<std::pair<std::string_view, std::string_view>> cores;
  std::string_view package;
  while (!text.empty()) {
    const std::string_view line = take_line(&text);
    if (!info.model) {
      if (const auto model = find_field(line, "model name", ':')) info.model = std::string(*model);
    }
    if (const auto id = find_field(line, "physical id", ':')) package = *id;
    if (const auto core = find_field(line, "core id", ':')) cores.insert({package, *core});
  }
  if (!cores.empty()) info.physical_cores = static_cast<int>(cores.size());
  return info;
}

std::optional<std::uint64_t> parse_memory_field(std::string_view text, std::string_view name) {
  auto value = find_field(text, name, ':');
  if (!value || !value->ends_with("kB")) return std::nullopt;
  value->remove_suffix(2);
  return parse_scaled_bytes(std::string(trimmed(*value)) + "K");
}

std::optional<std::uint64_t> read_last_level_cache_bytes(const std::filesystem::path& root) {
  std::uint64_t last_level = 0;
  std::map<std::string, std::uint64_t> bytes_by_sharers;
  for (const auto& cpu : entries_of(root / "sys/devices/system/cpu")) {
    for (const auto& folder : entries_of(cpu / "cache")) {
      const auto cache = read_cache(folder);
      if (!cache || cache->level < last_level) continue;
      if (cache->level > last_level) bytes_by_sharers.clear();
      last_level = cache->level;
      bytes_by_sharers[cache->shared_with] = cache->size_bytes;
    }
  }
  std::uint64_t total = 0;
  for (const auto& [sharers, bytes] : bytes_by_sharers) total += bytes;
  if (total == 0) return std::nullopt;
  return total;
}

Environment read_environment(const std::filesystem::path& root) {
  Environment environment;
  environment.version = ASSAY_VERSION;
  environment.compiler = compiler_name();
  environment.isa = to_string(detect_cpu_features());
  environment.usable_cpus = count_usable_cpus();
  if (const auto text = read_text(root / "proc/cpuinfo")) {
    CpuInfo info = parse_cpu_info(*text);
    environment.cpu_model = std::move(info.model);
    environment.physical_cores = info.physical_cores;
  }
  if (const auto text = read_text(root / "proc/meminfo")) {
    environment.memory_total_bytes = parse_memory_field(*text, "MemTotal");
  }
  if (const auto text = read_text(root / "proc/loadavg"))
    environment.load_average = parse_first_number(*text);
  if (const auto text = read_text(root / "sys/fs/cgroup/cpu.max"))
    environment.cpu_quota = parse_cpu_quota(*text);
  environment.last_level_cache_bytes = read_last_level_cache_bytes(root);
  environment.governor = read_trimmed(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  environment.kernel = read_trimmed(root / "proc/sys/kernel/osrelease");
  return environment;
}

}  // namespace assay::measure
