#include "formats/tensor_view.h"

#include <limits>

namespace assay {

Result<std::uint64_t> tensor_bytes(const std::string& name, DType dtype,
                                   const std::vector<std::int64_t>& shape) {
  const DTypeInfo& type = info(dtype);
  return tensor_bytes(name, StorageType{type.name, type.block_values, type.block_bytes}, shape);
}

Result<std::uint64_t> tensor_bytes(const std::string& name, const StorageType& type,
                                   const std::vector<std::int64_t>& shape) {
  std::uint64_t values = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) {
      return Error{ErrorCode::kCorrupt, name + ": shape " + shape_text(shape) + " has a negative dimension"};
    }
    if (!checked_multiply(values, static_cast<std::uint64_t>(dimension), &values)) {
      return Error{ErrorCode::kCorrupt,
                   name + ": shape " + shape_text(shape) + " has more values than 64 bits count"};
    }
  }
  const std::uint64_t row = shape.empty() ? 1 : static_cast<std::uint64_t>(shape.back());
  if (row % type.block_values != 0) {
    return Error{ErrorCode::kCorrupt,
                 name + ": rows of " + std::to_string(row) + " values are not whole blocks of " +
                     std::to_string(type.block_values) + " (" + std::string(type.name) + ")"};
  }
  std::uint64_t bytes = 0;
  if (!checked_multiply(values / type.block_values, type.block_bytes, &bytes) ||
      bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return Error{ErrorCode::kCorrupt, name + ": shape " + shape_text(shape) + " of " +
                                          std::string(type.name) + " has more bytes than 63 bits count"};
  }
  return bytes;
}

std::string quote(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + (text.size() > kLongest ? "...'" : "'");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return out + "]";
}

}  // namespace assay
