#include "measure/pinning.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "base/check.h"
#include "measure/text_fields.h"

namespace assay::measure {
namespace {

// Where the system does not tell the core, the processor is taken for one of its own.
Processor read_processor(int number, const std::filesystem::path& root) {
  const auto folder = root / "sys/devices/system/cpu" / ("cpu" + std::to_string(number)) / "topology";
  const auto field = [&](const char* name) -> std::optional<int> {
    const auto text = read_text(folder / name);
    if (!text) return std::nullopt;
    const auto value = parse_unsigned(*text);
    if (!value) return std::nullopt;
    return static_cast<int>(*value);
  };
  const auto core = field("core_id");
  if (!core) return {number, -1, number};
  return {number, field("physical_package_id").value_or(0), *core};
}

}  // namespace

std::optional<std::vector<int>> choose_processors(const std::vector<Processor>& allowed, int count) {
  ASSAY_CHECK(count >= 1);
  std::vector<int> chosen;
  std::set<std::pair<int, int>> cores;
  for (const Processor& processor : allowed) {
    if (!cores.insert({processor.package, processor.core}).second) continue;
    chosen.push_back(processor.number);
    if (static_cast<int>(chosen.size()) == count) return chosen;
  }
  return std::nullopt;
}

Pinning::Pinning(int threads, const std::filesystem::path& root) {
  cpu_set_t before;
  CPU_ZERO(&before);
  if (sched_getaffinity(0, sizeof before, &before) != 0) {
    description_ = std::string("not pinned: ") + std::strerror(errno);
    return;
  }
  std::vector<Processor> allowed;
  std::set<std::pair<int, int>> cores;
  for (int number = 0; number < CPU_SETSIZE; ++number) {
    if (!CPU_ISSET(number, &before)) continue;
    allowed.push_back(read_processor(number, root));
    cores.insert({allowed.back().package, allowed.back().core});
  }
  const auto chosen = choose_processors(allowed, threads);
  if (!chosen) {
    description_ = "not pinned: " + std::to_string(threads) + " threads, but " +
                   std::to_string(cores.size()) + " physical cores may be used";
    return;
  }
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  description_ = "pinned to ";
  for (const int number : *chosen) {
    CPU_SET(number, &wanted);
    description_ += (number == chosen->front() ? "" : ",") + std::to_string(number);
  }
  if (sched_setaffinity(0, sizeof wanted, &wanted) != 0) {
    description_ = std::string("not pinned: ") + std::strerror(errno);
    return;
  }
  before_ = before;
}

Pinning::~Pinning() {
  if (before_) sched_setaffinity(0, sizeof *before_, &*before_);
}

}  // namespace assay::measure
