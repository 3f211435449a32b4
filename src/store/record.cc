#include "store/record.h"

#include <ctime>

#include "base/digest.h"

namespace assay::store {

const char* to_string(Task task) { return task == Task::kDetector ? "detector" : "llm"; }

std::string Subject::key() const {
  const Json all{{"task", to_string(task)}, {"model", model},      {"variant", variant}, {"kind", kind},
                 {"round", round},          {"settings", settings}};
  const std::string text = all.dump(-1, ' ', true, Json::error_handler_t::replace);
  return sha256_of(as_bytes(text));
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[sizeof "2026-01-31T12:00:00Z"];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace assay::store
