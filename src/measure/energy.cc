#include "measure/energy.h"

#include "measure/text_fields.h"

namespace assay::measure {
namespace {

constexpr double kJoulesPerMicrojoule = 1e-6;

bool is_package(std::string_view name) { return name.starts_with("package"); }

Result<std::uint64_t> read_counter(const std::filesystem::path& path) {
  ASSAY_TRY(const std::string text, read_text(path));
  const auto value = parse_unsigned(text);
  if (!value) return Error{ErrorCode::kCorrupt, path.string() + " is not a number; expected microjoules"};
  return *value;
}

bool is_zone(const std::filesystem::path& folder) {
  return folder.filename().string().starts_with("intel-rapl:");
}

std::string name_of(const std::filesystem::path& zone) {
  const auto text = read_text(zone / "name");
  return text ? std::string(trimmed(*text)) : "";
}

}  // namespace

Status EnergyCounter::add_zone(const std::filesystem::path& folder, const std::string& name,
                               std::vector<Zone>* zones) {
  ASSAY_TRY(const std::uint64_t range, read_counter(folder / "max_energy_range_uj"));
  ASSAY_TRY(const std::uint64_t now, read_counter(folder / "energy_uj"));
  zones->push_back({name, folder / "energy_uj", range, now, 0});
  return {};
}

Result<EnergyCounter> EnergyCounter::start(const std::filesystem::path& root) {
  EnergyCounter counter;
  for (const auto& package : entries_of(root)) {
    if (!is_zone(package) || !is_package(name_of(package))) continue;
    ASSAY_RETURN_IF_ERROR(add_zone(package, name_of(package), &counter.zones_));
    for (const auto& part : entries_of(package)) {
      if (is_zone(part) && name_of(part) == "dram")
        ASSAY_RETURN_IF_ERROR(add_zone(part, "dram", &counter.zones_));
    }
  }
  if (counter.zones_.empty()) {
    return Error{ErrorCode::kNotFound,
                 "no energy counter of a processor package (RAPL) below " + root.string()};
  }
  counter.started_ = std::chrono::steady_clock::now();
  return counter;
}

Status EnergyCounter::sample() {
  for (Zone& zone : zones_) {
    ASSAY_TRY(const std::uint64_t now, read_counter(zone.counter));
    const bool wrapped = now < zone.last_microjoules;
    if (wrapped && zone.range_microjoules < zone.last_microjoules) {
      return Error{ErrorCode::kCorrupt,
                   zone.counter.string() + " fell below its last value, which was above its range"};
    }
    zone.used_microjoules +=
        wrapped ? zone.range_microjoules - zone.last_microjoules + now : now - zone.last_microjoules;
    zone.last_microjoules = now;
  }
  return {};
}

Result<EnergyRecord> EnergyCounter::read() {
  ASSAY_RETURN_IF_ERROR(sample());
  EnergyRecord record;
  record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  for (const Zone& zone : zones_) {
    const double joules = static_cast<double>(zone.used_microjoules) * kJoulesPerMicrojoule;
    record.domains.push_back(zone.name);
    if (is_package(zone.name)) {
      record.package_joules += joules;
    } else {
      record.dram_joules = record.dram_joules.value_or(0) + joules;
    }
  }
  return record;
}

}  // namespace assay::measure
