#include "eval/coco/json_values.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "eval/unicode.h"

namespace assay::eval::coco {
namespace {

std::string_view trimmed(std::string_view token) {
  while (!token.empty() && std::string_view(" \t\n\r").find(token.back()) != std::string_view::npos)
    token.remove_suffix(1);
  return token;
}

std::size_t take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    text.remove_prefix(1);
    ++count;
  }
  return count;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// -? (0 | [1-9] digits) (. digits)? ([eE] [+-]? digits)?
bool is_json_number(std::string_view text) {
  take(text, "-");
  const bool leading_zero = !text.empty() && text.front() == '0';
  const std::size_t whole = take_digits(text);
  if (whole == 0 || (leading_zero && whole > 1)) return false;
  if (take(text, ".") && take_digits(text) == 0) return false;
  if (take(text, "eE")) {
    take(text, "+-");
    if (take_digits(text) == 0) return false;
  }
  return text.empty();
}

}  // namespace

bool read_unusual_number(std::string_view token, double* number) {
  token = trimmed(token);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (token == "NaN") {
    *number = std::numeric_limits<double>::quiet_NaN();
  } else if (token == "Infinity") {
    *number = kInfinity;
  } else if (token == "-Infinity") {
    *number = -kInfinity;
  } else if (token == "true" || token == "false") {
    *number = token == "true" ? 1 : 0;
  } else if (is_json_number(token)) {
    *number = std::strtod(std::string(token).c_str(), nullptr);
  } else {
    return false;
  }
  return true;
}

bool is_integer_token(std::string_view token) {
  for (const char c : trimmed(token)) {
    if (c != '-' && (c < '0' || c > '9')) return false;
  }
  return true;
}

bool read_id(ondemand::value& value, ObjectId* id, bool* is_real) {
  if (is_real != nullptr) *is_real = false;
  std::int64_t integer = 0;
  if (value.get_int64().get(integer) == simdjson::SUCCESS) {
    *id = integer;
    return true;
  }
  const std::string_view token = trimmed(value.raw_json_token());
  if (!token.empty() && token.front() == '"') {
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS) return false;
    *id = ObjectId::from_string(std::string(text));
    return true;
  }
  if (is_json_number(token) && is_integer_token(token)) {
    *id = ObjectId::from_integer_literal(std::string(token));
    return true;
  }
  double number = 0;
  if (!read_unusual_number(token, &number) || !std::isfinite(number)) return false;
  if (is_real != nullptr) *is_real = token != "true" && token != "false";
  *id = ObjectId::from_real(number);
  return true;
}

bool read_box(ondemand::value& value, bool allow_null, double (&box)[4]) {
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  int count = 0;
  for (auto element : array) {
    ondemand::value number;
    if (element.get(number) != simdjson::SUCCESS || count == 4) return false;
    double& slot = box[count++];
    if (read_number(number, &slot)) continue;
    if (!allow_null || trimmed(number.raw_json_token()) != "null") return false;
    slot = std::numeric_limits<double>::quiet_NaN();
  }
  return count == 4;
}

std::string shown(std::string_view token) {
  token = trimmed(token);
  constexpr std::size_t kLongest = 40;
  const std::string_view part = token.substr(0, kLongest);
  // A part that was cut within a character is taken for binary, too: its last bytes would not print either.
  const bool is_text = first_invalid_utf8(part) == part.size();
  std::string text;
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    const bool prints = byte >= 0x20 && byte != 0x7f && (byte < 0x80 || is_text);
    constexpr char kDigits[] = "0123456789abcdef";
    text += prints ? std::string(1, c) : std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
  }
  return part.size() == token.size() ? text : text + "...";
}

}  // namespace assay::eval::coco
