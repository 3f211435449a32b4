#include "formats/gguf/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <set>
#include <type_traits>

#include "base/atomic_file.h"
#include "formats/gguf/ggml_types.h"
#include "formats/gguf/gguf_layout.h"

namespace assay::gguf {
namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kMaxNameBytes = 63;  // ggml keeps names in 64 bytes, one of them the terminator

Error invalid(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

// Collects the part of the file before the tensor data.
class Header {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T>
  void put(T number) {
    static_assert(std::endian::native == std::endian::little);
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof(T));
  }
  void put(const std::string& text) {
    put<std::uint64_t>(text.size());
    bytes_ += text;
  }
  void put(const Array& array) {
    put(static_cast<std::uint32_t>(array.index()));
    std::visit(
        [this](const auto& elements) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(elements)>, std::monostate>) {
            put<std::uint64_t>(elements.size());
            for (const auto& element : elements)
              put(static_cast<const typename std::decay_t<decltype(elements)>::value_type&>(element));
          }
        },
        array);
  }
  void put(const Value& value) {
    put(static_cast<std::uint32_t>(value.index()));
    std::visit([this](const auto& held) { put(held); }, value);
  }
  void put_raw(std::string_view text) { bytes_ += text; }
  void pad(std::uint64_t alignment) { bytes_.append(padding_after(bytes_.size(), alignment), '\0'); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

Result<std::uint64_t> put_metadata(const std::vector<std::pair<std::string, Value>>& metadata,
                                   Header& header) {
  std::uint64_t alignment = kDefaultAlignment;
  std::set<std::string_view> keys;
  for (const auto& [key, value] : metadata) {
    if (key.empty() || !keys.insert(key).second)
      return invalid("metadata " + quote(key) + ": empty or given twice");
    const auto* array = std::get_if<Array>(&value);
    if (array != nullptr && array->index() == kArrayType)
      return invalid("metadata " + quote(key) + ": array of nothing");
    if (key == kAlignmentKey) {
      const auto* given = std::get_if<std::uint32_t>(&value);
      if (given == nullptr || !std::has_single_bit(*given)) {
        return invalid("metadata 'general.alignment' must be a uint32 power of two");
      }
      alignment = *given;
    }
    header.put(key);
    header.put(value);
  }
  return alignment;
}

// Writes the info of one tensor and returns the tensor's bytes.
Result<std::uint64_t> put_tensor_info(const TensorDeclaration& tensor, std::uint64_t offset, Header& header) {
  const std::string label = "tensor " + quote(tensor.name);
  if (tensor.name.empty() || tensor.name.size() > kMaxNameBytes) {
    return invalid(label + ": the name must have 1 to " + std::to_string(kMaxNameBytes) + " bytes");
  }
  if (tensor.shape.empty() || tensor.shape.size() > kMaxDimensions) {
    return invalid(label + ": has " + std::to_string(tensor.shape.size()) + " dimensions, GGUF stores 1 to " +
                   std::to_string(kMaxDimensions));
  }
  const GgmlType* type = from_dtype(tensor.dtype);
  if (type == nullptr) return invalid(label + ": GGUF has no type " + std::string(info(tensor.dtype).name));
  auto num_bytes = tensor_bytes(label, tensor.dtype, tensor.shape);
  if (!num_bytes) return invalid(num_bytes.error().message);
  header.put(tensor.name);
  header.put(static_cast<std::uint32_t>(tensor.shape.size()));
  for (auto dimension = tensor.shape.rbegin(); dimension != tensor.shape.rend(); ++dimension)
    header.put(*dimension);
  header.put(type->id);
  header.put(offset);
  return *num_bytes;
}

}  // namespace

Result<Writer> Writer::create(const std::filesystem::path& path,
                              const std::vector<std::pair<std::string, Value>>& metadata,
                              const std::vector<TensorDeclaration>& tensors) {
  Header header;
  header.put_raw(kMagic);
  header.put(kVersion);
  header.put<std::uint64_t>(tensors.size());
  header.put<std::uint64_t>(metadata.size());
  ASSAY_TRY(const std::uint64_t alignment, put_metadata(metadata, header));
  std::vector<TensorStream::Slot> slots;
  std::set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const TensorDeclaration& tensor : tensors) {
    if (!names.insert(tensor.name).second)
      return invalid("tensor " + quote(tensor.name) + ": declared twice");
    ASSAY_TRY(const std::uint64_t num_bytes, put_tensor_info(tensor, offset, header));
    const std::uint64_t padding = padding_after(num_bytes, alignment);
    if (!checked_add(offset, num_bytes + padding, &offset))
      return invalid("more tensor bytes than 64 bits count");
    slots.push_back({tensor.name, num_bytes, padding});
  }
  header.pad(alignment);
  ASSAY_TRY(AtomicFile file, AtomicFile::create(path));
  ASSAY_RETURN_IF_ERROR(file.write(header.bytes()));
  return Writer(TensorStream(std::move(file), std::move(slots)));
}

}  // namespace assay::gguf
