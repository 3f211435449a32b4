#include "formats/safetensors/safetensors_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "formats/safetensors/safetensors_layout.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kHeaderAlignment = 8;

// The reference implementation's order of dtypes; what is later here comes earlier in the file.
constexpr std::array kReferenceOrder = {DType::kBool,    DType::kU8,  DType::kI8,  DType::kF8_E5M2,
                                        DType::kF8_E4M3, DType::kI16, DType::kU16, DType::kF16,
                                        DType::kBF16,    DType::kI32, DType::kU32, DType::kF32,
                                        DType::kF64,     DType::kI64, DType::kU64};

auto reference_rank(DType dtype) { return std::find(kReferenceOrder.begin(), kReferenceOrder.end(), dtype); }

Status check_declaration(const TensorDeclaration& tensor, std::uint64_t offset, std::uint64_t size) {
  const std::string label = "tensor " + quote(tensor.name);
  const DTypeInfo& type = info(tensor.dtype);
  if (tensor.name.empty() || tensor.name == kMetadataKey) {
    return Error{ErrorCode::kInvalidArgument, label + ": not a possible name"};
  }
  if (type.block_values != 1) {
    return Error{ErrorCode::kInvalidArgument, label + ": safetensors has no dtype " + std::string(type.name)};
  }
  if (size > 0 && offset % type.block_bytes != 0) {
    return Error{ErrorCode::kInvalidArgument, label + ": would start at byte " + std::to_string(offset) +
                                                  ", unaligned for " + std::string(type.name) +
                                                  " (put wider types first)"};
  }
  return {};
}

// The JSON text, padded with spaces.
Result<std::string> header_text(const Json& header) {
  try {
    std::string text = header.dump();
    text.append((kHeaderAlignment - text.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
    return text;
  } catch (const Json::exception&) {
    return Error{ErrorCode::kInvalidArgument, "a tensor name or metadata text is not UTF-8"};
  }
}

}  // namespace

void sort_as_reference(std::vector<TensorDeclaration>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorDeclaration& a, const TensorDeclaration& b) {
    if (a.dtype != b.dtype) return reference_rank(a.dtype) > reference_rank(b.dtype);
    return a.name < b.name;
  });
}

Result<SafetensorsWriter> SafetensorsWriter::create(const std::filesystem::path& path,
                                                    std::vector<TensorDeclaration> tensors,
                                                    const std::map<std::string, std::string>& metadata) {
  static_assert(std::endian::native == std::endian::little);
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::vector<TensorStream::Slot> slots;
  std::set<std::string> names;
  std::uint64_t offset = 0;
  for (TensorDeclaration& tensor : tensors) {
    auto size = tensor_bytes("tensor " + quote(tensor.name), tensor.dtype, tensor.shape);
    if (!size) return Error{ErrorCode::kInvalidArgument, size.error().message};
    ASSAY_RETURN_IF_ERROR(check_declaration(tensor, offset, *size));
    if (!names.insert(tensor.name).second) {
      return Error{ErrorCode::kInvalidArgument, "tensor " + quote(tensor.name) + ": declared twice"};
    }
    std::uint64_t end = 0;
    if (!checked_add(offset, *size, &end))
      return Error{ErrorCode::kInvalidArgument, "more bytes than 64 bits count"};
    // Names are known to be distinct, and appending to ordered_json by key would search all of them each
    // time.
    header.get_ref<Json::object_t&>().push_back(
        {tensor.name,
         Json{{"dtype", info(tensor.dtype).name}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}}});
    slots.push_back({std::move(tensor.name), *size, 0});
    offset = end;
  }
  ASSAY_TRY(const std::string text, header_text(header));
  if (text.size() > kMaxHeaderBytes) {
    return Error{ErrorCode::kResourceLimit, "the header would have " + std::to_string(text.size()) +
                                                " bytes, more than the format's 100 MB"};
  }
  ASSAY_TRY(AtomicFile file, AtomicFile::create(path));
  const std::uint64_t header_bytes = text.size();
  ASSAY_RETURN_IF_ERROR(file.write(ByteView(std::as_bytes(std::span(&header_bytes, 1)))));
  ASSAY_RETURN_IF_ERROR(file.write(text));
  return SafetensorsWriter(TensorStream(std::move(file), std::move(slots)));
}

}  // namespace assay
