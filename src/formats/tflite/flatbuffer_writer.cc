#include <algorithm>
#include <map>
#include <numeric>

#include "base/check.h"
#include "formats/tflite/object.h"

namespace assay::tflite {
namespace {

constexpr std::uint64_t kMaxBytes = 0x7fffffff;
constexpr std::size_t kIdentifierBytes = 4;
constexpr std::size_t kLongBytes = 4096;

// Writes front to back: every reference points forward to what is written after it; vtables come before the
// first table that has them and are shared by the later ones. Equal vectors of numbers (shapes, zero points)
// are written once, after all that refers to them. Long vectors of bytes come last and are not copied.
class Builder {
 public:
  Builder() : bytes_(4) {}

  void identifier(std::string_view text) {
    ASSAY_CHECK(text.size() == kIdentifierBytes);
    append(as_bytes(text));
  }
  // The position of the table.
  std::size_t table(const Object& object);
  void shared_vectors();
  // Everything, in the order of the file.
  std::vector<Data> pieces() &&;
  void point(std::size_t from, std::size_t to) { put(from, static_cast<std::uint32_t>(to - from)); }
  bool full() const { return full_; }

 private:
  std::size_t vtable(const std::vector<std::uint16_t>& entries);
  void child(const FieldInfo& info, const Object::Field& field, std::size_t from);
  void string(const std::string& text, std::size_t from);
  std::size_t vector_head(std::size_t count, std::size_t align, std::size_t from);
  void append(ByteView bytes);
  void pad(std::size_t align, std::size_t ahead = 0) {
    while ((bytes_.size() + ahead) % align != 0) bytes_.push_back(std::byte{0});
  }
  template <typename T>
  void put(std::size_t at, T value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }

  std::vector<std::byte> bytes_;
  std::map<std::vector<std::uint16_t>, std::size_t> vtables_;
  std::map<std::pair<std::size_t, std::string_view>, std::vector<std::size_t>>
      shared_;  // by alignment and bytes
  struct LongVector {
    std::size_t from = 0;   // the reference to it
    std::size_t align = 4;  // of its first byte
    Data data;
  };
  std::vector<LongVector> long_vectors_;
  std::uint64_t long_bytes_ = 0;
  bool full_ = false;
};

void Builder::append(ByteView bytes) {
  full_ = full_ || bytes_.size() + bytes.size() + long_bytes_ > kMaxBytes;
  if (!full_) bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

std::size_t Builder::vtable(const std::vector<std::uint16_t>& entries) {
  const auto [found, inserted] = vtables_.try_emplace(entries, 0);
  if (inserted) {
    pad(2);
    found->second = bytes_.size();
    append(std::as_bytes(std::span(entries)));
  }
  return found->second;
}

std::size_t inline_bytes(const FieldInfo& info) {
  return info.kind == FieldKind::kScalar ? info.scalar_bytes : 4;
}

std::size_t Builder::table(const Object& object) {
  const auto& infos = object.type().fields;
  std::vector<std::size_t> present;
  for (std::size_t slot = 0; slot < infos.size(); ++slot) {
    if (object.field(slot).index() != 0) present.push_back(slot);
  }
  // The widest first, so that nothing needs padding but what follows the 4 bytes of the vtable's offset.
  std::stable_sort(present.begin(), present.end(), [&](std::size_t a, std::size_t b) {
    return inline_bytes(infos[a]) > inline_bytes(infos[b]);
  });
  std::vector<std::uint16_t> entries(
      2 + (present.empty() ? 0 : *std::max_element(present.begin(), present.end()) + 1));
  std::size_t size = 4, align = 4;
  for (const std::size_t slot : present) {
    const std::size_t width = inline_bytes(infos[slot]);
    align = std::max(align, width);
    size = (size + width - 1) / width * width;
    entries[2 + slot] = static_cast<std::uint16_t>(size);
    size += width;
  }
  entries[0] = static_cast<std::uint16_t>(2 * entries.size());
  entries[1] = static_cast<std::uint16_t>(size);
  const std::size_t vtable_at = vtable(entries);
  pad(align);
  const std::size_t at = bytes_.size();
  bytes_.resize(at + size);
  put(at, static_cast<std::int32_t>(at - vtable_at));
  for (const std::size_t slot : present) {
    if (infos[slot].kind != FieldKind::kScalar) continue;
    std::memcpy(bytes_.data() + at + entries[2 + slot], &std::get<std::uint64_t>(object.field(slot)),
                infos[slot].scalar_bytes);
  }
  std::sort(present.begin(), present.end());
  for (const std::size_t slot : present) {
    if (infos[slot].kind != FieldKind::kScalar)
      child(infos[slot], object.field(slot), at + entries[2 + slot]);
  }
  return at;
}

std::size_t Builder::vector_head(std::size_t count, std::size_t align, std::size_t from) {
  pad(4);
  pad(align, 4);
  point(from, bytes_.size());
  const auto length = static_cast<std::uint32_t>(count);
  append(std::as_bytes(std::span(&length, 1)));
  return bytes_.size();
}

void Builder::string(const std::string& text, std::size_t from) {
  vector_head(text.size(), 4, from);
  append(as_bytes(text));
  bytes_.push_back(std::byte{0});
}

void Builder::child(const FieldInfo& info, const Object::Field& field, std::size_t from) {
  if (full_) return;
  if (const auto* data = std::get_if<Data>(&field)) {
    if (info.scalar_bytes > 1) {
      shared_[{info.scalar_bytes, as_text(data->bytes())}].push_back(from);
      return;
    }
    if (data->bytes().size() >= kLongBytes) {
      long_bytes_ += data->bytes().size() + info.align + sizeof(std::uint32_t);
      full_ = full_ || bytes_.size() + long_bytes_ > kMaxBytes;
      long_vectors_.push_back({from, info.align, *data});
      return;
    }
    vector_head(data->bytes().size(), info.align, from);
    append(data->bytes());
    return;
  }
  const auto* strings = std::get_if<std::vector<std::string>>(&field);
  const auto* tables = std::get_if<std::vector<Object>>(&field);
  if (info.kind == FieldKind::kString) return string(strings->front(), from);
  if (info.kind == FieldKind::kTable || info.kind == FieldKind::kUnion)
    return point(from, table(tables->front()));
  const std::size_t count = strings != nullptr ? strings->size() : tables->size();
  const std::size_t first = vector_head(count, 4, from);
  bytes_.resize(first + 4 * count);
  for (std::size_t i = 0; i < count && !full_; ++i) {
    if (strings != nullptr) {
      string((*strings)[i], first + 4 * i);
    } else {
      point(first + 4 * i, table((*tables)[i]));
    }
  }
}

void Builder::shared_vectors() {
  for (const auto& [key, references] : shared_) {
    const auto& [scalar_bytes, content] = key;
    vector_head(content.size() / scalar_bytes, scalar_bytes, references.front());
    const std::size_t at = bytes_.size() - sizeof(std::uint32_t);
    append(as_bytes(content));
    for (const std::size_t from : references) point(from, at);
  }
}

std::vector<Data> Builder::pieces() && {
  std::vector<Data> heads;
  std::size_t end = bytes_.size();
  for (const LongVector& vector : long_vectors_) {
    const std::size_t unaligned = end + sizeof(std::uint32_t);
    const std::size_t data_at = (unaligned + vector.align - 1) / vector.align * vector.align;
    std::vector<std::byte> head(data_at - end);
    const auto length = static_cast<std::uint32_t>(vector.data.bytes().size());
    std::memcpy(head.data() + head.size() - sizeof length, &length, sizeof length);
    point(vector.from, data_at - sizeof length);
    end = data_at + length;
    heads.push_back(Data::own(std::move(head)));
  }
  std::vector<Data> pieces = {Data::own(std::move(bytes_))};
  for (std::size_t i = 0; i < long_vectors_.size(); ++i) {
    pieces.push_back(std::move(heads[i]));
    pieces.push_back(std::move(long_vectors_[i].data));
  }
  return pieces;
}

}  // namespace

Result<std::vector<Data>> write_flatbuffer(const Object& root, std::string_view identifier) {
  Builder builder;
  builder.identifier(identifier);
  builder.point(0, builder.table(root));
  builder.shared_vectors();
  if (builder.full())
    return Error{ErrorCode::kResourceLimit,
                 "the file would be larger than 2 GB, the most that a flatbuffer can be"};
  return std::move(builder).pieces();
}

std::vector<std::byte> joined(const std::vector<Data>& pieces) {
  std::size_t size = 0;
  for (const Data& piece : pieces) size += piece.bytes().size();
  std::vector<std::byte> bytes;
  bytes.reserve(size);
  for (const Data& piece : pieces) bytes.insert(bytes.end(), piece.bytes().begin(), piece.bytes().end());
  return bytes;
}

}  // namespace assay::tflite
