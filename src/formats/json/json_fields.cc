#include "formats/json/json_fields.h"

#include "formats/json/json_reader.h"

namespace assay {

using nlohmann::json;

namespace {

// No configuration nests deeper.
constexpr int kMaxDepth = 64;

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
  const std::int64_t count = integer(key, 0);
  if (count < 1 || count > maximum) {
    fail(key, ("an integer from 1 to " + std::to_string(maximum)).c_str(), *value);
    return 1;
  }
  return count;
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
