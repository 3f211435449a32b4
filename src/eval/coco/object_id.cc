#include "eval/coco/object_id.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

namespace assay::eval::coco {
namespace {

bool is_negative(const std::string& decimal) { return decimal.front() == '-'; }

// Decimals without leading zeros, at least one of them beyond int64.
bool less_big(const std::string& a, const std::string& b) {
  if (is_negative(a) != is_negative(b)) return is_negative(a);
  const bool less_magnitude = a.size() != b.size() ? a.size() < b.size() : a < b;
  return is_negative(a) ? !less_magnitude && a != b : less_magnitude;
}

}  // namespace

ObjectId ObjectId::from_string(std::string text) {
  ObjectId id;
  id.kind_ = Kind::kString;
  id.text_ = std::move(text);
  return id;
}

ObjectId ObjectId::from_integer_literal(const std::string& decimal) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(decimal.data(), decimal.data() + decimal.size(), value);
  if (parsed.ec == std::errc()) return value;
  ObjectId id;
  id.kind_ = Kind::kBigInteger;
  id.text_ = decimal;
  return id;
}

ObjectId ObjectId::from_real(double value) {
  if (std::floor(value) == value) {
    char decimal[400];
    std::snprintf(decimal, sizeof decimal, "%.0f", value);
    return from_integer_literal(decimal);
  }
  ObjectId id;
  id.kind_ = Kind::kReal;
  id.real_ = value;
  return id;
}

double ObjectId::as_double() const {
  switch (kind_) {
    case Kind::kInteger:
      return static_cast<double>(integer_);
    case Kind::kBigInteger:
      return std::strtod(text_.c_str(), nullptr);
    case Kind::kReal:
      return real_;
    case Kind::kString:
      break;
  }
  return 0;
}

bool ObjectId::is_exact_double() const {
  if (kind_ == Kind::kString) return false;
  if (kind_ == Kind::kReal) return true;
  const double value = as_double();
  return std::isfinite(value) && from_real(value) == *this;
}

bool ObjectId::is_unsigned64() const {
  if (kind_ != Kind::kBigInteger || is_negative(text_)) return false;
  std::uint64_t value = 0;
  return std::from_chars(text_.data(), text_.data() + text_.size(), value).ec == std::errc();
}

std::string ObjectId::text() const {
  switch (kind_) {
    case Kind::kInteger:
      return std::to_string(integer_);
    case Kind::kBigInteger:
      return text_;
    case Kind::kReal:
      return nlohmann::json(real_).dump();
    case Kind::kString:
      break;
  }
  return nlohmann::json(text_).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::size_t ObjectId::hash() const {
  switch (kind_) {
    case Kind::kInteger:
      return std::hash<std::int64_t>()(integer_);
    case Kind::kReal:
      return std::hash<double>()(real_);
    default:
      return std::hash<std::string>()(text_);
  }
}

bool operator==(const ObjectId& a, const ObjectId& b) {
  return a.kind_ == b.kind_ && a.integer_ == b.integer_ && a.real_ == b.real_ && a.text_ == b.text_;
}

bool operator<(const ObjectId& a, const ObjectId& b) {
  using Kind = ObjectId::Kind;
  if (a.is_string() || b.is_string())
    return a.is_string() && b.is_string() ? a.text_ < b.text_ : b.is_string();
  if (a.kind_ == Kind::kInteger && b.kind_ == Kind::kInteger) return a.integer_ < b.integer_;
  if (a.kind_ == Kind::kBigInteger && b.kind_ == Kind::kBigInteger) return less_big(a.text_, b.text_);
  // A big integer lies outside of int64, and a fraction inside of it.
  if (a.kind_ == Kind::kBigInteger) return is_negative(a.text_);
  if (b.kind_ == Kind::kBigInteger) return !is_negative(b.text_);
  if (a.kind_ == Kind::kReal && b.kind_ == Kind::kReal) return a.real_ < b.real_;
  if (a.kind_ == Kind::kInteger) return a.integer_ <= static_cast<std::int64_t>(std::floor(b.real_));
  return static_cast<std::int64_t>(std::floor(a.real_)) < b.integer_;
}

}  // namespace assay::eval::coco
