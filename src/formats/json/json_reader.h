// JSON from files that nobody vouches for.
#pragma once
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/result.h"

namespace assay {

// Parses strictly RFC 8259 text. Errors (kCorrupt, with the byte offset): syntax, invalid UTF-8, numbers out
// of range, a key that occurs twice in one object (readers would disagree on which counts), nesting deeper
// than max_depth. Memory is proportional to the text. Never throws. Thread safe.
Result<nlohmann::json> parse_json(ByteView text, int max_depth);
// The same with the members of objects in the order of the text (and found by linear search).
Result<nlohmann::ordered_json> parse_ordered_json(ByteView text, int max_depth);

}  // namespace assay
