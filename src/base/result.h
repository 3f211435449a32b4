// Errors as values. Result<T> has std::expected's member names so that it can be replaced by it under C++23.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace assay {

enum class ErrorCode {
  kInvalidArgument,  // a flag, setting or request that cannot be carried out as given
  kCorrupt,          // the bytes contradict their format or themselves
  kUnsupported,      // well-formed, but outside of what this program does
  kNotFound,         // a file, tensor, key or name does not exist
  kIo,               // the operating system refused: open, read, write, rename, disk full
  kResourceLimit,    // would need more memory, disk or length than allowed
  kInterrupted,      // the user asked to stop
};

// One line for a person: what was found, what was expected, and what to do next where that is known.
struct Error {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string message;

  // The same error seen from one level up: "context: message".
  Error with_context(const std::string& context) const { return {code, context + ": " + message}; }
};

// A value or an Error. Reading the value of an error is a programmer error and aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}    // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    ASSAY_CHECK(has_value());
    return std::get<0>(state_);
  }
  const T& value() const& {
    ASSAY_CHECK(has_value());
    return std::get<0>(state_);
  }
  T&& value() && {
    ASSAY_CHECK(has_value());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    ASSAY_CHECK(!has_value());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  const Error& error() const {
    ASSAY_CHECK(error_.has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace assay

#define ASSAY_CONCAT_INNER(a, b) a##b
#define ASSAY_CONCAT(a, b) ASSAY_CONCAT_INNER(a, b)

// Returns the error of `expression` from the enclosing function, if it has one.
#define ASSAY_RETURN_IF_ERROR(expression)                                      \
  do {                                                                         \
    if (auto assay_status = (expression); !assay_status.has_value()) return assay_status.error(); \
  } while (false)

// ASSAY_TRY(auto value, expression): declares `value` from the Result, or returns its error from the enclosing function.
#define ASSAY_TRY(declaration, expression) \
  ASSAY_TRY_INNER(ASSAY_CONCAT(assay_result_, __LINE__), declaration, expression)
#define ASSAY_TRY_INNER(temporary, declaration, expression)  \
  auto temporary = (expression);                             \
  if (!temporary.has_value()) return temporary.error();      \
  declaration = *std::move(temporary)
