// Fields of JSON objects that may be absent, null or of another type.
#pragma once
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "store/record.h"

namespace assay::report {

// Finite numbers only.
inline std::optional<double> number_at(const store::Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

inline std::optional<std::int64_t> count_at(const store::Json& object, const char* key) {
  const auto value = number_at(object, key);
  if (!value || std::abs(*value) > 9e15) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

inline std::string text_at(const store::Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// An empty list or object where there is none.
inline const store::Json& part_at(const store::Json& object, const char* key) {
  static const store::Json kNothing = store::Json::object();
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() ? *found : kNothing;
}

}  // namespace assay::report
