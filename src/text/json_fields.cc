#include "text/json_fields.h"

#include <limits>

namespace assay::text {
namespace {

Error wrong(const std::string& where, const char* key, const Json* found, const char* expected) {
  const std::string what = found == nullptr ? "missing" : std::string("is a JSON ") + found->type_name();
  return Error{ErrorCode::kCorrupt, where + "." + key + ": " + what + ", expected " + expected};
}

}  // namespace

Result<Json> parse_json(ByteView bytes, const std::string& where) {
  try {
    const std::string_view text = as_text(bytes);
    return Json::parse(text.begin(), text.end());
  } catch (const Json::parse_error& error) {
    return Error{ErrorCode::kCorrupt, where + ": not JSON at byte " + std::to_string(error.byte)};
  } catch (const std::exception& error) {  // a number out of range, memory
    return Error{ErrorCode::kCorrupt, where + ": " + error.what()};
  }
}

const Json* find_field(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<std::string> string_field(const Json& object, const char* key, const std::string& where) {
  const Json* field = find_field(object, key);
  if (field == nullptr || !field->is_string()) return wrong(where, key, field, "a string");
  return field->get_ref<const std::string&>();
}

Result<bool> bool_field(const Json& object, const char* key, std::optional<bool> absent,
                        const std::string& where) {
  const Json* field = find_field(object, key);
  if (field == nullptr && absent.has_value()) return *absent;
  if (field == nullptr || !field->is_boolean()) return wrong(where, key, field, "true or false");
  return field->get<bool>();
}

Result<std::int64_t> integer_field(const Json& object, const char* key, const std::string& where) {
  const Json* field = find_field(object, key);
  if (field == nullptr || !field->is_number_integer()) return wrong(where, key, field, "an integer");
  if (field->is_number_unsigned() &&
      field->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return wrong(where, key, field, "an integer below 2^63");
  }
  return field->get<std::int64_t>();
}

Result<std::string> type_field(const Json& component, const std::string& where) {
  if (!component.is_object()) {
    return Error{ErrorCode::kCorrupt,
                 where + ": is a JSON " + component.type_name() + ", expected an object"};
  }
  return string_field(component, "type", where);
}

}  // namespace assay::text
