// json_fields.h: typed reading of JSON objects, with errors that name the field. Never throws.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace assay::text {

using Json = nlohmann::json;

// `where` names the document in errors. Errors: kCorrupt with the byte offset of what is not JSON.
Result<Json> parse_json(ByteView bytes, const std::string& where);

// The member, or nullptr where it is absent or null. REQUIRES: nothing; a non-object has no members.
const Json* find_field(const Json& object, const char* key);

// Errors of all: kCorrupt where the member is absent (and has no default) or of another type.
Result<std::string> string_field(const Json& object, const char* key, const std::string& where);
Result<bool> bool_field(const Json& object, const char* key, std::optional<bool> absent,
                        const std::string& where);
Result<std::int64_t> integer_field(const Json& object, const char* key, const std::string& where);
Result<std::string> type_field(const Json& component, const std::string& where);  // member "type"

}  // namespace assay::text
