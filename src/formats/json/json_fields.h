// Typed access to the keys of a JSON object, with errors that name the key.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace assay {

// A JSON object from bytes. Errors: kCorrupt when the bytes are not JSON or not an object.
Result<nlohmann::json> parse_json_object(ByteView bytes);

// Reads keys of `object`, remembering the first problem, so that a run of reads is checked once at its end.
// A key that is absent or null gives the fallback; one of another type is an error. Borrows the object.
class JsonFields {
 public:
  explicit JsonFields(const nlohmann::json& object) : object_(object) {}

  bool has(const char* key) const;       // present and not null
  bool mentions(const char* key) const;  // present, null included
  std::int64_t integer(const char* key, std::int64_t fallback);
  // An integer that must be there and lie in [1, maximum].
  std::int64_t required_count(const char* key, std::int64_t maximum);
  // An integer in [1, maximum].
  std::int64_t count(const char* key, std::int64_t fallback, std::int64_t maximum);
  // At least one integer, each in [1, maximum].
  std::vector<int> counts(const char* key, const std::vector<int>& fallback, int maximum);
  std::vector<bool> booleans(const char* key, const std::vector<bool>& fallback);
  double number(const char* key, double fallback);
  bool boolean(const char* key, bool fallback);
  std::string text(const char* key, const std::string& fallback);

  Status status() const;

 private:
  const nlohmann::json* find(const char* key) const;
  void fail(const char* key, const char* expected, const nlohmann::json& found);
  const nlohmann::json& object_;
  std::optional<Error> error_;
};

}  // namespace assay
