// The GGUF format, versions 2 and 3, little endian: typed metadata, tensor infos, aligned tensor data.
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and ggml's gguf.cpp.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "formats/tensor_view.h"

namespace assay::gguf {

// A metadata array. The index of the variant is the element's GGUF type; arrays of arrays do not occur (index
// 9).
using Array = std::variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                           std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                           std::vector<float>, std::vector<bool>, std::vector<std::string>, std::monostate,
                           std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>>;
// A metadata value. The index of the variant is the GGUF type (0 = uint8 ... 9 = array ... 12 = float64).
using Value =
    std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, float,
                 bool, std::string, Array, std::uint64_t, std::int64_t, double>;

// "uint32", "string", "array of float32"
std::string type_name(const Value& value);

struct TensorInfo {
  std::string name;
  std::uint32_t ggml_type = 0;
  std::string type_name;            // as ggml spells it; "type 57" where this program does not know it
  std::optional<DType> dtype;       // nothing: cannot be computed with
  std::vector<std::int64_t> shape;  // row-major, outermost first: reverse of the order in the file
  ByteView bytes;                   // borrowed; empty when the type's size is unknown
};

// A parsed file. Everything but the tensors' bytes is owned. Thread safe to read.
class File {
 public:
  std::uint32_t version() const { return version_; }
  std::uint64_t alignment() const { return alignment_; }

  const std::map<std::string, Value, std::less<>>& metadata() const { return metadata_; }
  // Nothing when the key is absent.
  const Value* find(std::string_view key) const;

  // Typed access. Errors name the key: kNotFound when absent, kCorrupt when of another type or out of range.
  Result<std::uint64_t> unsigned_integer(std::string_view key) const;  // from any integer type, >= 0
  Result<std::int64_t> integer(std::string_view key) const;            // from any integer type
  Result<double> real(std::string_view key) const;                     // from float32, float64 and integers
  Result<bool> boolean(std::string_view key) const;
  Result<std::string> string(std::string_view key) const;
  Result<std::vector<std::string>> strings(std::string_view key) const;
  Result<std::vector<std::int64_t>> integers(
      std::string_view key) const;                                // from an array of any integer type or bool
  Result<std::vector<double>> reals(std::string_view key) const;  // from an array of float32 or float64

  // In the order of the file, unsupported types included.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  bool has_tensor(std::string_view name) const { return tensor_index_.find(name) != tensor_index_.end(); }
  // Errors: kNotFound; kUnsupported (naming tensor and type) when its type cannot be computed with.
  Result<TensorView> tensor(std::string_view name) const;

 private:
  friend class Parser;
  std::uint32_t version_ = 0;
  std::uint64_t alignment_ = 0;
  std::map<std::string, Value, std::less<>> metadata_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::size_t, std::less<>> tensor_index_;
};

// Errors: kUnsupported (version 1 or newer than 3, big endian, nested arrays); kCorrupt for everything that
// contradicts the format: bad magic, lengths past the end, unknown value types, duplicate keys or names, an
// alignment that is not a power of two, rows that are not whole blocks, offsets that are unaligned, outside
// of the file or overlap. Counts are believed only as far as the file is long enough for them, so memory
// stays within a small multiple of it.
Result<File> parse(ByteView file);

}  // namespace assay::gguf
