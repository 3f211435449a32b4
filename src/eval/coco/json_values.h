// Numbers and ids as Python's json module reads them, on top of simdjson. For the readers of this folder
// only.
//
// simdjson's On-Demand front end finds the tokens and converts what JSON allows. Python allows more: NaN,
// Infinity, -Infinity, integers of any size, numbers beyond the range of a double (infinite), and true and
// false where a number is expected (1 and 0). simdjson refuses these as numbers but hands out the token,
// which is read here.
#pragma once
#include <simdjson.h>

#include <string_view>

#include "eval/coco/object_id.h"

namespace assay::eval::coco {

namespace ondemand = simdjson::ondemand;

// What simdjson refused as a number; false if Python's json would not make a number of it either.
bool read_unusual_number(std::string_view token, double* number);

inline bool read_number(ondemand::value& value, double* number) {
  if (value.get_double().get(*number) == simdjson::SUCCESS) return true;
  return read_unusual_number(value.raw_json_token(), number);
}

// Whether the token is an integer in Python: neither a fraction nor an exponent.
bool is_integer_token(std::string_view token);

// An integer, a string, a finite fraction or a truth value. `is_real` (may be null): whether Python makes it
// a float.
bool read_id(ondemand::value& value, ObjectId* id, bool* is_real);

// Exactly four numbers. `allow_null`: null is NaN, as numpy makes it.
bool read_box(ondemand::value& value, bool allow_null, double (&box)[4]);

// The token without the white space behind it, shortened and with what does not print as \xNN, for a message.
std::string shown(std::string_view token);

// Whether the field's key is `name`; `key` is its text as it stands in the file, from behind the opening
// quote. Escapes inside of a key are not resolved: a key written "image\u005fid" is another key here.
inline bool is_key(const char* key, std::string_view name) {
  return std::string_view(key, name.size()) == name && key[name.size()] == '"';
}

}  // namespace assay::eval::coco
