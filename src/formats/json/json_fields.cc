#include "formats/json/json_fields.h"

#include <algorithm>

#include "formats/json/json_reader.h"

namespace assay {

using nlohmann::json;

namespace {

// No configuration nests deeper.
constexpr int kMaxDepth = 64;

bool is_count(const json& value, std::int64_t maximum) {
  if (!value.is_number_integer()) return false;
  // Not negative and beyond 63 bits.
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(maximum))
    return false;
  const auto count = value.get<std::int64_t>();
  return count >= 1 && count <= maximum;
}

}  // namespace

Result<json> parse_json_object(ByteView bytes) {
  ASSAY_TRY(json object, parse_json(bytes, kMaxDepth));
  if (!object.is_object()) return Error{ErrorCode::kCorrupt, "is not a JSON object"};
  return object;
}

const json* JsonFields::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonFields::has(const char* key) const { return find(key) != nullptr; }

bool JsonFields::mentions(const char* key) const { return object_.contains(key); }

void JsonFields::fail(const char* key, const char* expected, const json& found) {
  if (error_) return;
  std::string shown = found.dump(-1, ' ', false, json::error_handler_t::replace);
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  error_ = Error{ErrorCode::kCorrupt, std::string(key) + ": expected " + expected + ", found " + shown};
}

std::int64_t JsonFields::integer(const char* key, std::int64_t fallback) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number_integer()) {
    fail(key, "an integer", *value);
    return fallback;
  }
  return value->get<std::int64_t>();
}

std::int64_t JsonFields::required_count(const char* key, std::int64_t maximum) {
  const json* value = find(key);
  if (value == nullptr) {
    if (!error_) error_ = Error{ErrorCode::kCorrupt, std::string(key) + ": is missing"};
    return 1;
  }
  return count(key, 1, maximum);
}

std::int64_t JsonFields::count(const char* key, std::int64_t fallback, std::int64_t maximum) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  if (is_count(*value, maximum)) return value->get<std::int64_t>();
  fail(key, ("an integer from 1 to " + std::to_string(maximum)).c_str(), *value);
  return fallback;
}

std::vector<int> JsonFields::counts(const char* key, const std::vector<int>& fallback, int maximum) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  const bool fits =
      value->is_array() && !value->empty() &&
      std::all_of(value->begin(), value->end(), [&](const json& entry) { return is_count(entry, maximum); });
  if (fits) return value->get<std::vector<int>>();
  fail(key, ("a list of integers from 1 to " + std::to_string(maximum)).c_str(), *value);
  return fallback;
}

std::vector<bool> JsonFields::booleans(const char* key, const std::vector<bool>& fallback) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  const bool fits = value->is_array() && std::all_of(value->begin(), value->end(),
                                                     [](const json& entry) { return entry.is_boolean(); });
  if (fits) return value->get<std::vector<bool>>();
  fail(key, "a list of true and false", *value);
  return fallback;
}

double JsonFields::number(const char* key, double fallback) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number()) {
    fail(key, "a number", *value);
    return fallback;
  }
  return value->get<double>();
}

bool JsonFields::boolean(const char* key, bool fallback) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) {
    fail(key, "true or false", *value);
    return fallback;
  }
  return value->get<bool>();
}

std::string JsonFields::text(const char* key, const std::string& fallback) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) {
    fail(key, "a string", *value);
    return fallback;
  }
  return value->get<std::string>();
}

Status JsonFields::status() const {
  if (error_) return *error_;
  return {};
}

}  // namespace assay
