#include "store/record.h"

#include <openssl/evp.h>

#include <array>
#include <ctime>

namespace assay::store {

const char* to_string(Task task) { return task == Task::kDetector ? "detector" : "llm"; }

std::string Subject::key() const {
  const Json all{{"task", to_string(task)}, {"model", model},      {"variant", variant}, {"kind", kind},
                 {"round", round},          {"settings", settings}};
  const std::string text = all.dump(-1, ' ', true, Json::error_handler_t::replace);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    constexpr const char* kDigits = "0123456789abcdef";
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 15];
  }
  return hex;
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
