// One table of a flatbuffer in memory, generic: its type and what its slots hold.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "formats/tflite/schema.h"

namespace assay::tflite {

// Bytes that are borrowed from a file or owned (shared between copies, never changed). Thread safe to read.
class Data {
 public:
  Data() = default;
  static Data borrow(ByteView bytes) { return Data(nullptr, bytes); }
  static Data own(std::vector<std::byte> bytes) {
    auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    const ByteView view(*owner);
    return Data(std::move(owner), view);
  }
  template <typename T>
  static Data own_values(const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return own({bytes.begin(), bytes.end()});
  }

  ByteView bytes() const { return view_; }

  // The elements of a vector of T; a rest that is no whole element is left out.
  template <typename T>
  std::vector<T> values() const {
    std::vector<T> result(view_.size() / sizeof(T));
    if (!result.empty()) std::memcpy(result.data(), view_.data(), result.size() * sizeof(T));
    return result;
  }

 private:
  Data(std::shared_ptr<const std::vector<std::byte>> owner, ByteView view)
      : owner_(std::move(owner)), view_(view) {}
  std::shared_ptr<const std::vector<std::byte>> owner_;
  ByteView view_;
};

// A default Object is "no table". Copies are deep but for the bytes.
class Object {
 public:
  // Nothing; a scalar's bits; one string or a vector of them; a vector of scalars; one table or a vector.
  using Field =
      std::variant<std::monostate, std::uint64_t, std::vector<std::string>, Data, std::vector<Object>>;

  Object() = default;
  explicit Object(const TableInfo& type) : type_(&type), fields_(type.fields.size()) {}
  // REQUIRES: the schema has the table.
  static Object make(std::string_view table);

  bool exists() const { return type_ != nullptr; }
  bool is(std::string_view table) const { return exists() && type_->name == table; }
  const TableInfo& type() const { return *type_; }
  const Field& field(std::size_t slot) const { return fields_[slot]; }
  Field& field(std::size_t slot) { return fields_[slot]; }
  // Whether this is a table that has the field. The options of an operator may be those of another one.
  bool declares(std::string_view name) const;
  bool has(std::string_view name) const { return fields_[type_->slot(name)].index() != 0; }

  // By the schema's name of a field; the schema's default where the file has nothing. REQUIRES: the table
  // has the field, of that kind.
  std::int64_t integer(std::string_view name) const;
  float real(std::string_view name) const;
  std::string string(std::string_view name) const;
  Data data(std::string_view name) const;
  void set_integer(std::string_view name, std::int64_t value);
  void set_real(std::string_view name, float value);
  void set_string(std::string_view name, std::string value);
  void set_data(std::string_view name, Data data);
  void set_tables(std::string_view name, std::vector<Object> tables);
  // Takes a table or tables, or data, out of this one; the slot is empty after it.
  std::vector<Object> take_tables(std::string_view name);
  Data take_data(std::string_view name);
  void clear(std::string_view name) { fields_[type_->slot(name)] = {}; }

 private:
  const TableInfo* type_ = nullptr;
  std::vector<Field> fields_;
};

// Reads the table at the root of a flatbuffer and everything below it. Every offset, length and vtable is
// checked; memory stays within a small multiple of the file. `end` gets where the last byte that belongs to
// it lies. Vectors of scalars borrow from `file`. Errors: kCorrupt, kUnsupported (a slot or union member that
// the schema does not have), naming table and field.
Result<Object> read_flatbuffer(ByteView file, std::string_view root, std::uint64_t* end);

// A flatbuffer with `root` at its root and the four letters of `identifier`, in pieces that follow each other; long
// vectors of bytes are those of `root`, not copies. Errors: kResourceLimit where it would pass 2 GB, the most that
// offsets of a flatbuffer reach.
Result<std::vector<Data>> write_flatbuffer(const Object& root, std::string_view identifier);
std::vector<std::byte> joined(const std::vector<Data>& pieces);

}  // namespace assay::tflite
