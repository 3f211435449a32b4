// What names an image or a category in COCO's files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace assay::eval::coco {

// An integer of any size, a fraction, or a string, compared as Python compares them: 7, 7.0 and true are one
// id, 7 and "7" are two. Value type; thread safe to read.
class ObjectId {
 public:
  enum class Kind { kInteger, kBigInteger, kReal, kString };

  ObjectId() = default;
  ObjectId(std::int64_t value) : integer_(value) {}  // NOLINT: implicit by design
  static ObjectId from_string(std::string text);
  // `decimal`: a JSON integer literal.
  static ObjectId from_integer_literal(const std::string& decimal);
  // REQUIRES: finite.
  static ObjectId from_real(double value);

  Kind kind() const { return kind_; }
  bool is_string() const { return kind_ == Kind::kString; }
  // REQUIRES: kind() == kInteger.
  std::int64_t integer() const { return integer_; }
  bool is_zero() const { return kind_ == Kind::kInteger && integer_ == 0; }
  // The number as a double, rounded; 0 for a string.
  double as_double() const;
  // Whether a double holds this number exactly. False for a string.
  bool is_exact_double() const;
  // Whether the number lies in [2^63, 2^64), where numpy needs an unsigned type.
  bool is_unsigned64() const;

  // As it would stand in JSON.
  std::string text() const;
  std::size_t hash() const;

  friend bool operator==(const ObjectId& a, const ObjectId& b);
  // Numbers by value, strings by code point, numbers before strings.
  friend bool operator<(const ObjectId& a, const ObjectId& b);

 private:
  Kind kind_ = Kind::kInteger;
  std::int64_t integer_ = 0;
  double real_ = 0;   // kReal: never integral
  std::string text_;  // kString; kBigInteger: decimal without leading zeros
};

struct ObjectIdHash {
  std::size_t operator()(const ObjectId& id) const { return id.hash(); }
};

}  // namespace assay::eval::coco
