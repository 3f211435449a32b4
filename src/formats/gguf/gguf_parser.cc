#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "formats/gguf/ggml_types.h"
#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_layout.h"

namespace assay::gguf {
namespace {

// The fewest bytes that one metadata pair and one tensor info can take; bounds what the counts may claim.
constexpr std::uint64_t kSmallestPair = 8 + 4 + 1;
constexpr std::uint64_t kSmallestTensorInfo = 8 + 4 + 4 + 8;

Error corrupt(const std::string& message) { return {ErrorCode::kCorrupt, message}; }

Result<std::string> read_string(ByteReader& reader, const char* field) {
  ASSAY_TRY(const std::uint64_t length, reader.read<std::uint64_t>(field));
  ASSAY_TRY(const ByteView text, reader.take(length, field));
  return std::string(as_text(text));
}

Result<bool> read_bool(ByteReader& reader) {
  ASSAY_TRY(const std::uint8_t byte, reader.read<std::uint8_t>("bool"));
  if (byte > 1)
    return corrupt("bool at offset " + std::to_string(reader.offset() - 1) + " is " + std::to_string(byte));
  return byte == 1;
}

template <typename T>
Result<T> read_element(ByteReader& reader) {
  if constexpr (std::is_same_v<T, std::string>) {
    return read_string(reader, "string value");
  } else if constexpr (std::is_same_v<T, bool>) {
    return read_bool(reader);
  } else {
    return reader.read<T>("value");
  }
}

// The type whose GGUF number is a template argument, and arrays of it.
template <std::size_t kType>
Result<Value> read_scalar(ByteReader& reader) {
  using T = std::variant_alternative_t<kType, Value>;
  ASSAY_TRY(T element, read_element<T>(reader));
  return Value(std::in_place_index<kType>, std::move(element));
}

template <std::size_t kType>
Result<Value> read_array_of(ByteReader& reader, std::uint64_t count) {
  using T = std::variant_alternative_t<kType, Value>;
  constexpr std::uint64_t kSmallest = std::is_same_v<T, std::string> ? 8
                                      : std::is_same_v<T, bool>      ? 1
                                                                     : sizeof(T);
  if (count > reader.remaining() / kSmallest) {
    return corrupt("array of " + std::to_string(count) + " " + std::string(kValueTypeNames[kType]) +
                   " at offset " + std::to_string(reader.offset()) + " does not fit in the " +
                   std::to_string(reader.remaining()) + " bytes left (file truncated?)");
  }
  std::vector<T> elements;
  elements.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    ASSAY_TRY(T element, read_element<T>(reader));
    elements.push_back(std::move(element));
  }
  return Value(Array(std::in_place_index<kType>, std::move(elements)));
}

Result<Value> read_array(ByteReader& reader) {
  using ReadArrayOf = Result<Value> (*)(ByteReader&, std::uint64_t);
  constexpr std::array<ReadArrayOf, kNumValueTypes> kReaders = {
      read_array_of<0>,  read_array_of<1>,  read_array_of<2>, read_array_of<3>, read_array_of<4>,
      read_array_of<5>,  read_array_of<6>,  read_array_of<7>, read_array_of<8>, nullptr,
      read_array_of<10>, read_array_of<11>, read_array_of<12>};
  ASSAY_TRY(const std::uint32_t type, reader.read<std::uint32_t>("array element type"));
  ASSAY_TRY(const std::uint64_t count, reader.read<std::uint64_t>("array length"));
  if (type >= kNumValueTypes)
    return corrupt("array element type " + std::to_string(type) + " does not exist");
  if (type == kArrayType) return Error{ErrorCode::kUnsupported, "arrays of arrays are not supported"};
  return kReaders[type](reader, count);
}

Result<Value> read_value(ByteReader& reader) {
  using ReadValue = Result<Value> (*)(ByteReader&);
  constexpr std::array<ReadValue, kNumValueTypes> kReaders = {
      read_scalar<0>,  read_scalar<1>,  read_scalar<2>, read_scalar<3>, read_scalar<4>,
      read_scalar<5>,  read_scalar<6>,  read_scalar<7>, read_scalar<8>, read_array,
      read_scalar<10>, read_scalar<11>, read_scalar<12>};
  ASSAY_TRY(const std::uint32_t type, reader.read<std::uint32_t>("value type"));
  if (type >= kNumValueTypes) return corrupt("value type " + std::to_string(type) + " does not exist");
  return kReaders[type](reader);
}

Status check_version(std::uint32_t version) {
  if (version == 2 || version == 3) return {};
  if (version == 1) return Error{ErrorCode::kUnsupported, "GGUF version 1 is not supported (only 2 and 3)"};
  if ((version & 0xffffu) == 0 && version != 0) {
    return Error{ErrorCode::kUnsupported,
                 "big-endian GGUF is not supported (convert it on the machine that wrote it)"};
  }
  return Error{ErrorCode::kUnsupported,
               "GGUF version " + std::to_string(version) + " is not supported (only 2 and 3)"};
}

}  // namespace

class Parser {
 public:
  explicit Parser(ByteView file) : bytes_(file), reader_(file) {}
  Result<File> parse();

 private:
  // Where a tensor lies in the data section; num_bytes is 0 when its type's size is unknown.
  struct Range {
    std::uint64_t begin = 0;
    std::uint64_t num_bytes = 0;
    std::size_t tensor = 0;
  };

  Status read_metadata(std::uint64_t count);
  Status read_alignment();
  Status read_tensor_infos(std::uint64_t count);
  Result<TensorInfo> read_tensor_info(Range& range);
  Status place_tensors();
  Status check_overlaps();

  ByteView bytes_;
  ByteReader reader_;
  File file_;
  std::vector<Range> ranges_;
};

Result<File> Parser::parse() {
  ASSAY_TRY(const ByteView magic, reader_.take(kMagic.size(), "magic"));
  if (as_text(magic) != kMagic)
    return corrupt("magic is " + quote(as_text(magic)) + ", expected 'GGUF': not a GGUF file?");
  ASSAY_TRY(file_.version_, reader_.read<std::uint32_t>("version"));
  ASSAY_RETURN_IF_ERROR(check_version(file_.version_));
  ASSAY_TRY(const std::uint64_t num_tensors, reader_.read<std::uint64_t>("tensor count"));
  ASSAY_TRY(const std::uint64_t num_pairs, reader_.read<std::uint64_t>("metadata count"));
  if (num_pairs > reader_.remaining() / kSmallestPair) {
    return corrupt("metadata count " + std::to_string(num_pairs) + " does not fit in a file of " +
                   std::to_string(bytes_.size()) + " bytes");
  }
  if (num_tensors > reader_.remaining() / kSmallestTensorInfo) {
    return corrupt("tensor count " + std::to_string(num_tensors) + " does not fit in a file of " +
                   std::to_string(bytes_.size()) + " bytes");
  }
  ASSAY_RETURN_IF_ERROR(read_metadata(num_pairs));
  ASSAY_RETURN_IF_ERROR(read_alignment());
  ASSAY_RETURN_IF_ERROR(read_tensor_infos(num_tensors));
  ASSAY_RETURN_IF_ERROR(place_tensors());
  ASSAY_RETURN_IF_ERROR(check_overlaps());
  return std::move(file_);
}

Status Parser::read_metadata(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    ASSAY_TRY(std::string key, read_string(reader_, "metadata key"));
    auto value = read_value(reader_);
    if (!value) return value.error().with_context("metadata " + quote(key));
    const auto [entry, inserted] = file_.metadata_.emplace(std::move(key), *std::move(value));
    if (!inserted) return corrupt("metadata " + quote(entry->first) + " occurs twice");
  }
  return {};
}

Status Parser::read_alignment() {
  file_.alignment_ = kDefaultAlignment;
  const Value* value = file_.find(kAlignmentKey);
  if (value == nullptr) return {};
  const auto* alignment = std::get_if<std::uint32_t>(value);
  if (alignment == nullptr) return corrupt("general.alignment is " + type_name(*value) + ", expected uint32");
  if (*alignment == 0 || (*alignment & (*alignment - 1)) != 0) {
    return corrupt("general.alignment is " + std::to_string(*alignment) + ", expected a power of two");
  }
  file_.alignment_ = *alignment;
  return {};
}

Status Parser::read_tensor_infos(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    Range range;
    ASSAY_TRY(TensorInfo tensor, read_tensor_info(range));
    range.tensor = file_.tensors_.size();
    if (!file_.tensor_index_.emplace(tensor.name, range.tensor).second) {
      return corrupt("tensor " + quote(tensor.name) + " occurs twice");
    }
    file_.tensors_.push_back(std::move(tensor));
    ranges_.push_back(range);
  }
  return {};
}

Result<TensorInfo> Parser::read_tensor_info(Range& range) {
  TensorInfo tensor;
  ASSAY_TRY(tensor.name, read_string(reader_, "tensor name"));
  const std::string label = "tensor " + quote(tensor.name);
  ASSAY_TRY(const std::uint32_t num_dimensions, reader_.read<std::uint32_t>("number of dimensions"));
  if (num_dimensions > kMaxDimensions) {
    return corrupt(label + ": has " + std::to_string(num_dimensions) + " dimensions, at most " +
                   std::to_string(kMaxDimensions) + " are possible");
  }
  for (std::uint32_t i = 0; i < num_dimensions; ++i) {
    ASSAY_TRY(const std::uint64_t dimension, reader_.read<std::uint64_t>("dimension"));
    if (dimension > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return corrupt(label + ": dimension " + std::to_string(dimension) + " is larger than 63 bits hold");
    }
    tensor.shape.push_back(static_cast<std::int64_t>(dimension));
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  ASSAY_TRY(tensor.ggml_type, reader_.read<std::uint32_t>("tensor type"));
  ASSAY_TRY(range.begin, reader_.read<std::uint64_t>("tensor offset"));
  if (range.begin % file_.alignment_ != 0) {
    return corrupt(label + ": offset " + std::to_string(range.begin) +
                   " is not a multiple of the alignment " + std::to_string(file_.alignment_));
  }
  const GgmlType* type = ggml_type(tensor.ggml_type);
  tensor.type_name = type == nullptr ? "type " + std::to_string(tensor.ggml_type) : std::string(type->name);
  if (type != nullptr) {
    tensor.dtype = to_dtype(*type);
    const StorageType storage{type->name, type->block_values, type->block_bytes};
    ASSAY_TRY(range.num_bytes, tensor_bytes(label, storage, tensor.shape));
  }
  return tensor;
}

Status Parser::place_tensors() {
  const std::uint64_t infos_end = reader_.offset();
  const std::uint64_t data_begin =
      std::min<std::uint64_t>(infos_end + padding_after(infos_end, file_.alignment_), bytes_.size());
  const ByteView data = bytes_.subspan(data_begin);
  for (const Range& range : ranges_) {
    TensorInfo& tensor = file_.tensors_[range.tensor];
    if (range.num_bytes == 0) continue;
    if (range.begin > data.size() || range.num_bytes > data.size() - range.begin) {
      return corrupt("tensor " + quote(tensor.name) + ": " + std::to_string(range.num_bytes) +
                     " bytes at offset " + std::to_string(range.begin) + " are outside of the " +
                     std::to_string(data.size()) + " bytes of data (file truncated?)");
    }
    tensor.bytes = data.subspan(range.begin, range.num_bytes);
  }
  return {};
}

Status Parser::check_overlaps() {
  std::erase_if(ranges_, [](const Range& range) { return range.num_bytes == 0; });
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < ranges_.size(); ++i) {
    const Range& before = ranges_[i - 1];
    if (before.begin + before.num_bytes > ranges_[i].begin) {
      return corrupt("tensor " + quote(file_.tensors_[ranges_[i].tensor].name) + ": overlaps tensor " +
                     quote(file_.tensors_[before.tensor].name));
    }
  }
  return {};
}

Result<File> parse(ByteView file) { return Parser(file).parse(); }

}  // namespace assay::gguf
