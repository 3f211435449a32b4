#include <algorithm>
#include <limits>

#include "formats/tflite/object.h"

namespace assay::tflite {
namespace {

// A table that several others point to is read once for each; real files have a table per reference, so a
// reader that copies more than this many bytes for each byte of the file is being attacked.
constexpr std::uint64_t kCopiedBytesPerByte = 64;
constexpr std::uint64_t kBytesPerTable = 64;  // what an empty Object costs, about

// The type of a union is checked where the union itself is read; the slot before it holds the number.
class Reader {
 public:
  explicit Reader(ByteView file) : file_(file), budget_((file.size() + 64) * kCopiedBytesPerByte) {}

  Result<Object> table(const TableInfo& type, std::uint64_t at);
  Result<std::uint64_t> follow(std::uint64_t at, const std::string& where);
  std::uint64_t end() const { return end_; }

 private:
  template <typename T>
  Result<T> number(std::uint64_t at, const std::string& where);
  Result<ByteView> take(std::uint64_t at, std::uint64_t size, const std::string& where);
  Status spend(std::uint64_t bytes, const std::string& where);
  Result<Object::Field> field(const Object& owner, std::size_t slot, std::uint64_t at);
  Result<Object::Field> scalar(const FieldInfo& info, std::uint64_t at, const std::string& where);
  Result<std::string> string(std::uint64_t at, const std::string& where);
  Result<Object::Field> scalars(const FieldInfo& info, std::uint64_t at, const std::string& where);
  Result<Object::Field> references(const FieldInfo& info, std::uint64_t at, const std::string& where);

  ByteView file_;
  std::uint64_t budget_;
  std::uint64_t end_ = 0;
};

Error corrupt(const std::string& where, const std::string& what) {
  return {ErrorCode::kCorrupt, where + ": " + what};
}

Result<ByteView> Reader::take(std::uint64_t at, std::uint64_t size, const std::string& where) {
  if (at > file_.size() || size > file_.size() - at) {
    return corrupt(where, "needs " + std::to_string(size) + " bytes at offset " + std::to_string(at) +
                              ", but the file has " + std::to_string(file_.size()) + " (truncated?)");
  }
  end_ = std::max(end_, at + size);
  return file_.subspan(at, size);
}

template <typename T>
Result<T> Reader::number(std::uint64_t at, const std::string& where) {
  if (at % sizeof(T) != 0)
    return corrupt(where, "offset " + std::to_string(at) + " is not a multiple of " +
                              std::to_string(sizeof(T)) + ", as a number of that size needs");
  ASSAY_TRY(const ByteView bytes, take(at, sizeof(T), where));
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

Status Reader::spend(std::uint64_t bytes, const std::string& where) {
  if (bytes > budget_)
    return corrupt(where, "the same bytes are referred to over and over; the file would unfold without end");
  budget_ -= bytes;
  return {};
}

Result<std::uint64_t> Reader::follow(std::uint64_t at, const std::string& where) {
  ASSAY_TRY(const std::uint32_t offset, number<std::uint32_t>(at, where));
  if (offset == 0 || offset > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max()))
    return corrupt(where, "the offset " + std::to_string(offset) + " points nowhere");
  return at + offset;
}

Result<Object> Reader::table(const TableInfo& type, std::uint64_t at) {
  const std::string name(type.name);
  ASSAY_RETURN_IF_ERROR(spend(kBytesPerTable + type.fields.size() * sizeof(Object::Field), name));
  ASSAY_TRY(const std::int32_t to_vtable, number<std::int32_t>(at, name));
  const std::int64_t vtable = static_cast<std::int64_t>(at) - to_vtable;
  if (vtable < 0) return corrupt(name, "its vtable lies before the file");
  const auto vtable_at = static_cast<std::uint64_t>(vtable);
  ASSAY_TRY(const std::uint16_t vtable_bytes, number<std::uint16_t>(vtable_at, name + " vtable"));
  ASSAY_TRY(const std::uint16_t table_bytes, number<std::uint16_t>(vtable_at + 2, name + " vtable"));
  if (vtable_bytes < 4 || vtable_bytes % 2 != 0 || table_bytes < 4)
    return corrupt(name, "its vtable has a size that no vtable has");
  ASSAY_RETURN_IF_ERROR(take(vtable_at, vtable_bytes, name + " vtable"));
  ASSAY_RETURN_IF_ERROR(take(at, table_bytes, name));
  Object object(type);
  for (std::size_t slot = 0; slot < (vtable_bytes - 4u) / 2; ++slot) {
    ASSAY_TRY(const std::uint16_t offset, number<std::uint16_t>(vtable_at + 4 + 2 * slot, name + " vtable"));
    if (offset == 0) continue;
    if (slot >= type.fields.size())
      return Error{ErrorCode::kUnsupported, name + ": has a field in slot " + std::to_string(slot) +
                                                ", which is newer than the schema this program knows"};
    const std::string where = name + "." + std::string(type.fields[slot].name);
    const FieldInfo& info = type.fields[slot];
    const std::size_t size = info.kind == FieldKind::kScalar ? info.scalar_bytes : 4;
    if (offset < 4 || offset + size > table_bytes)
      return corrupt(where, "lies outside of its table of " + std::to_string(table_bytes) + " bytes");
    auto value = field(object, slot, at + offset);
    if (!value) return value.error();
    object.field(slot) = *std::move(value);
  }
  return object;
}

Result<Object::Field> Reader::field(const Object& owner, std::size_t slot, std::uint64_t at) {
  const FieldInfo& info = owner.type().fields[slot];
  const std::string where = std::string(owner.type().name) + "." + std::string(info.name);
  if (info.kind == FieldKind::kScalar) return scalar(info, at, where);
  ASSAY_TRY(const std::uint64_t target, follow(at, where));
  switch (info.kind) {
    case FieldKind::kString: {
      ASSAY_TRY(std::string text, string(target, where));
      return Object::Field(std::vector<std::string>{std::move(text)});
    }
    case FieldKind::kTable: {
      ASSAY_TRY(Object object, table(*find_table(info.target), target));
      return Object::Field(std::vector<Object>{std::move(object)});
    }
    case FieldKind::kUnion: {
      const auto* number = std::get_if<std::uint64_t>(&owner.field(slot - 1));
      const TableInfo* type = number == nullptr ? nullptr : union_member(info.target, *number);
      if (type == nullptr)
        return Error{ErrorCode::kUnsupported, where + ": has type " +
                                                  std::to_string(number == nullptr ? 0 : *number) +
                                                  ", which is not in the schema this program knows"};
      ASSAY_TRY(Object object, table(*type, target));
      return Object::Field(std::vector<Object>{std::move(object)});
    }
    case FieldKind::kScalars:
      return scalars(info, target, where);
    default:
      return references(info, target, where);
  }
}

Result<Object::Field> Reader::scalar(const FieldInfo& info, std::uint64_t at, const std::string& where) {
  if (at % info.scalar_bytes != 0)
    return corrupt(
        where, "offset " + std::to_string(at) + " is not a multiple of " + std::to_string(info.scalar_bytes));
  ASSAY_TRY(const ByteView bytes, take(at, info.scalar_bytes, where));
  std::uint64_t bits = 0;
  std::memcpy(&bits, bytes.data(), bytes.size());
  return Object::Field(bits);
}

Result<std::string> Reader::string(std::uint64_t at, const std::string& where) {
  ASSAY_TRY(const std::uint32_t length, number<std::uint32_t>(at, where));
  ASSAY_TRY(const ByteView bytes, take(at + 4, std::uint64_t{length} + 1, where));
  if (bytes.back() != std::byte{0}) return corrupt(where, "the text does not end with a zero byte");
  ASSAY_RETURN_IF_ERROR(spend(length + sizeof(std::string), where));
  return std::string(as_text(bytes.first(length)));
}

Result<Object::Field> Reader::scalars(const FieldInfo& info, std::uint64_t at, const std::string& where) {
  ASSAY_TRY(const std::uint32_t length, number<std::uint32_t>(at, where));
  ASSAY_TRY(const ByteView bytes, take(at + 4, length * std::uint64_t{info.scalar_bytes}, where));
  // All but buffers and custom data will be copied out.
  if (info.scalar_bytes > 1) ASSAY_RETURN_IF_ERROR(spend(bytes.size(), where));
  return Object::Field(Data::borrow(bytes));
}

Result<Object::Field> Reader::references(const FieldInfo& info, std::uint64_t at, const std::string& where) {
  ASSAY_TRY(const std::uint32_t length, number<std::uint32_t>(at, where));
  ASSAY_RETURN_IF_ERROR(take(at + 4, 4 * std::uint64_t{length}, where));
  std::vector<std::string> strings;
  std::vector<Object> objects;
  const TableInfo* type = info.kind == FieldKind::kTables ? find_table(info.target) : nullptr;
  for (std::uint64_t i = 0; i < length; ++i) {
    const std::string element = where + "[" + std::to_string(i) + "]";
    ASSAY_TRY(const std::uint64_t target, follow(at + 4 + 4 * i, element));
    if (type == nullptr) {
      ASSAY_TRY(std::string text, string(target, element));
      strings.push_back(std::move(text));
      continue;
    }
    auto object = table(*type, target);
    if (!object) return object.error().with_context(element);
    objects.push_back(*std::move(object));
  }
  if (type == nullptr) return Object::Field(std::move(strings));
  return Object::Field(std::move(objects));
}

}  // namespace

Result<Object> read_flatbuffer(ByteView file, std::string_view root, std::uint64_t* end) {
  Reader reader(file);
  ASSAY_TRY(const std::uint64_t at, reader.follow(0, "root"));
  ASSAY_TRY(Object object, reader.table(*find_table(root), at));
  *end = reader.end();
  return object;
}

}  // namespace assay::tflite
