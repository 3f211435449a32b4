// Reading untrusted little-endian bytes without ever leaving them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace assay {

using ByteView = std::span<const std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// a * b, or nothing when it does not fit; sizes read from a file are only ever multiplied with this.
inline bool checked_multiply(std::uint64_t a, std::uint64_t b, std::uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}
inline bool checked_add(std::uint64_t a, std::uint64_t b, std::uint64_t* sum) {
  return !__builtin_add_overflow(a, b, sum);
}

// A cursor over bytes. Every read checks the remaining length; the error names the field and the byte offset.
// Not thread safe; does not own the bytes.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t remaining() const { return bytes_.size() - offset_; }

  // A fixed-size little-endian number.
  template <typename T>
  Result<T> read(const char* field) {
    static_assert(std::is_arithmetic_v<T>);
    ASSAY_TRY(const ByteView raw, take(sizeof(T), field));
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  Result<ByteView> take(std::uint64_t num_bytes, const char* field) {
    if (num_bytes > remaining()) {
      return Error{ErrorCode::kCorrupt, std::string(field) + ": needs " + std::to_string(num_bytes) + " bytes at offset " +
                                            std::to_string(offset_) + ", only " + std::to_string(remaining()) +
                                            " are left (file truncated?)"};
    }
    const ByteView taken = bytes_.subspan(offset_, num_bytes);
    offset_ += num_bytes;
    return taken;
  }

 private:
  ByteView bytes_;
  std::uint64_t offset_ = 0;
};

}  // namespace assay
