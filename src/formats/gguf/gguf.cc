// The parsed file: metadata by key, tensors by name. gguf_parser.cc fills it.
#include "formats/gguf/gguf.h"

#include <limits>
#include <type_traits>

#include "formats/gguf/gguf_layout.h"

namespace assay::gguf {
namespace {

Error missing(std::string_view key) {
  return {ErrorCode::kNotFound, "metadata " + quote(key) + " is missing"};
}

Error mistyped(std::string_view key, const Value& value, const char* expected) {
  return {ErrorCode::kCorrupt,
          "metadata " + quote(key) + " is " + type_name(value) + ", expected " + expected};
}

// Calls `visit(number)` for an integer value (bool is none) and returns whether it was one.
template <typename Visit>
bool visit_integer(const Value& value, Visit visit) {
  return std::visit(
      [&](const auto& held) {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
          visit(held);
          return true;
        } else {
          return false;
        }
      },
      value);
}

constexpr auto kMaxSigned = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

}  // namespace

std::string type_name(const Value& value) {
  if (const auto* array = std::get_if<Array>(&value)) {
    return "array of " + std::string(kValueTypeNames[array->index()]);
  }
  return std::string(kValueTypeNames[value.index()]);
}

const Value* File::find(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

Result<std::uint64_t> File::unsigned_integer(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  std::uint64_t number = 0;
  bool negative = false;
  const bool is_integer = visit_integer(*value, [&](auto held) {
    negative = std::is_signed_v<decltype(held)> && held < decltype(held){0};
    number = static_cast<std::uint64_t>(held);
  });
  if (!is_integer) return mistyped(key, *value, "an integer");
  if (negative) return Error{ErrorCode::kCorrupt, "metadata " + quote(key) + " is negative"};
  return number;
}

Result<std::int64_t> File::integer(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  std::int64_t number = 0;
  bool too_large = false;
  const bool is_integer = visit_integer(*value, [&](auto held) {
    too_large = !std::is_signed_v<decltype(held)> && static_cast<std::uint64_t>(held) > kMaxSigned;
    number = static_cast<std::int64_t>(held);
  });
  if (!is_integer) return mistyped(key, *value, "an integer");
  if (too_large) return Error{ErrorCode::kCorrupt, "metadata " + quote(key) + " is larger than 63 bits hold"};
  return number;
}

Result<double> File::real(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  if (const auto* single = std::get_if<float>(value)) return static_cast<double>(*single);
  if (const auto* twice = std::get_if<double>(value)) return *twice;
  double number = 0;
  if (visit_integer(*value, [&](auto held) { number = static_cast<double>(held); })) return number;
  return mistyped(key, *value, "a number");
}

Result<bool> File::boolean(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  if (const auto* held = std::get_if<bool>(value)) return *held;
  return mistyped(key, *value, "bool");
}

Result<std::string> File::string(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  if (const auto* held = std::get_if<std::string>(value)) return *held;
  return mistyped(key, *value, "string");
}

Result<std::vector<std::string>> File::strings(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  if (const auto* array = std::get_if<Array>(value)) {
    if (const auto* held = std::get_if<std::vector<std::string>>(array)) return *held;
  }
  return mistyped(key, *value, "array of string");
}

Result<std::vector<std::int64_t>> File::integers(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  const auto* array = std::get_if<Array>(value);
  if (array == nullptr) return mistyped(key, *value, "an array of integers");
  std::vector<std::int64_t> numbers;
  bool too_large = false;
  const bool is_integer = std::visit(
      [&](const auto& held) {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return false;
        } else if constexpr (std::is_integral_v<typename T::value_type>) {
          for (const auto element : held) {
            if constexpr (std::is_same_v<typename T::value_type, std::uint64_t>)
              too_large |= element > kMaxSigned;
            numbers.push_back(static_cast<std::int64_t>(element));
          }
          return true;
        } else {
          return false;
        }
      },
      *array);
  if (!is_integer) return mistyped(key, *value, "an array of integers");
  if (too_large)
    return Error{ErrorCode::kCorrupt, "metadata " + quote(key) + " has an element larger than 63 bits hold"};
  return numbers;
}

Result<std::vector<double>> File::reals(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(key);
  if (const auto* array = std::get_if<Array>(value)) {
    if (const auto* singles = std::get_if<std::vector<float>>(array)) {
      return std::vector<double>(singles->begin(), singles->end());
    }
    if (const auto* doubles = std::get_if<std::vector<double>>(array)) return *doubles;
  }
  return mistyped(key, *value, "an array of float32 or float64");
}

Result<TensorView> File::tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  if (found == tensor_index_.end())
    return Error{ErrorCode::kNotFound, "tensor " + quote(name) + " is missing"};
  const TensorInfo& stored = tensors_[found->second];
  if (!stored.dtype) {
    return Error{ErrorCode::kUnsupported,
                 "tensor " + quote(name) + ": type " + stored.type_name + " is not supported"};
  }
  return TensorView{stored.name, *stored.dtype, stored.shape, stored.bytes};
}

}  // namespace assay::gguf
