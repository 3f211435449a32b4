#include "formats/safetensors/safetensors.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "formats/json/json_reader.h"
#include "formats/safetensors/safetensors_layout.h"

namespace assay {
namespace {

using nlohmann::json;

constexpr int kHeaderDepth = 3;  // header, tensor, shape
constexpr int kIndexDepth = 16;  // the metadata of an index is free-form

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::size_t tensor = 0;
};

Error corrupt(const std::string& message) { return {ErrorCode::kCorrupt, message}; }

Result<const json*> field(const json& entry, const std::string& tensor, const char* name) {
  const auto found = entry.find(name);
  if (found == entry.end()) return corrupt(tensor + ": has no " + name);
  return &*found;
}

Result<DType> parse_dtype(const json& value, const std::string& tensor) {
  if (!value.is_string()) return corrupt(tensor + ": dtype is not a string");
  const auto& name = value.get_ref<const std::string&>();
  const auto dtype = dtype_from_name(name);
  if (!dtype || info(*dtype).block_values != 1) {
    return Error{ErrorCode::kUnsupported, tensor + ": dtype " + quote(name) + " is not supported"};
  }
  return *dtype;
}

Result<std::vector<std::int64_t>> parse_shape(const json& value, const std::string& tensor) {
  if (!value.is_array()) return corrupt(tensor + ": shape is not an array");
  std::vector<std::int64_t> shape;
  for (const json& dimension : value) {
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!dimension.is_number_unsigned() || dimension.get<std::uint64_t>() > kMax) {
      return corrupt(tensor + ": shape contains something that is not a size");
    }
    shape.push_back(dimension.get<std::int64_t>());
  }
  return shape;
}

Result<Range> parse_offsets(const json& value, const std::string& tensor) {
  if (!value.is_array() || value.size() != 2 || !value[0].is_number_unsigned() ||
      !value[1].is_number_unsigned()) {
    return corrupt(tensor + ": data_offsets is not a pair of byte offsets");
  }
  return Range{value[0].get<std::uint64_t>(), value[1].get<std::uint64_t>(), 0};
}

Result<std::map<std::string, std::string>> parse_metadata(const json& value) {
  if (!value.is_object()) return corrupt("__metadata__ is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) return corrupt("__metadata__ " + quote(key) + " is not a string");
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

// One entry of the header; `range` receives where its bytes are, which are inside of `data`.
Result<TensorView> parse_tensor(const std::string& name, const json& entry, ByteView data, Range& range) {
  const std::string label = "tensor " + quote(name);
  if (!entry.is_object()) return corrupt(label + ": its entry is not an object");
  ASSAY_TRY(const json* dtype_value, field(entry, label, "dtype"));
  ASSAY_TRY(const json* shape_value, field(entry, label, "shape"));
  ASSAY_TRY(const json* offsets_value, field(entry, label, "data_offsets"));
  TensorView tensor;
  tensor.name = name;
  ASSAY_TRY(tensor.dtype, parse_dtype(*dtype_value, label));
  ASSAY_TRY(tensor.shape, parse_shape(*shape_value, label));
  ASSAY_TRY(range, parse_offsets(*offsets_value, label));
  if (range.begin > range.end || range.end > data.size()) {
    return corrupt(label + ": bytes " + std::to_string(range.begin) + " to " + std::to_string(range.end) +
                   " are outside of the " + std::to_string(data.size()) + " bytes of data (file truncated?)");
  }
  ASSAY_TRY(const std::uint64_t expected, tensor_bytes(label, tensor.dtype, tensor.shape));
  if (expected != range.end - range.begin) {
    return corrupt(label + ": has " + std::to_string(range.end - range.begin) + " bytes, but shape " +
                   shape_text(tensor.shape) + " of " + std::string(info(tensor.dtype).name) + " needs " +
                   std::to_string(expected));
  }
  tensor.bytes = data.subspan(range.begin, expected);
  return tensor;
}

// The tensors must cover the data exactly once.
Status check_coverage(std::vector<Range> ranges, const std::vector<TensorView>& tensors,
                      std::uint64_t data_bytes) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t covered = 0;
  for (const Range& range : ranges) {
    if (range.begin != covered) {
      return corrupt("tensor " + quote(tensors[range.tensor].name) + ": starts at byte " +
                     std::to_string(range.begin) + " of the data, which " +
                     (range.begin < covered ? "overlaps" : "leaves a hole after") +
                     " the tensor before, ending at " + std::to_string(covered));
    }
    covered = range.end;
  }
  if (covered != data_bytes) {
    return corrupt("the last tensor ends at byte " + std::to_string(covered) +
                   " of the data, but the file has " + std::to_string(data_bytes));
  }
  return {};
}

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

}  // namespace

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto found =
      std::lower_bound(tensors.begin(), tensors.end(), name,
                       [](const TensorView& tensor, std::string_view key) { return tensor.name < key; });
  return found != tensors.end() && found->name == name ? &*found : nullptr;
}

Result<SafetensorsFile> parse_safetensors(ByteView file) {
  ByteReader reader(file);
  ASSAY_TRY(const std::uint64_t header_bytes, reader.read<std::uint64_t>("header length"));
  if (header_bytes > kMaxHeaderBytes) {
    return corrupt("header length " + std::to_string(header_bytes) +
                   " is more than 100 MB: not a safetensors file?");
  }
  ASSAY_TRY(const ByteView header, reader.take(header_bytes, "header"));
  if (header.empty() || as_text(header).front() != '{') return corrupt("header does not start with '{'");
  ASSAY_TRY(const json document, parse_json(header, kHeaderDepth));
  const ByteView data = file.subspan(reader.offset());

  SafetensorsFile parsed;
  std::vector<Range> ranges;
  for (const auto& [name, entry] : document.items()) {  // ordered by name
    if (name == kMetadataKey) {
      ASSAY_TRY(parsed.metadata, parse_metadata(entry));
      continue;
    }
    Range range;
    ASSAY_TRY(TensorView tensor, parse_tensor(name, entry, data, range));
    range.tensor = parsed.tensors.size();
    ranges.push_back(range);
    parsed.tensors.push_back(std::move(tensor));
  }
  ASSAY_RETURN_IF_ERROR(check_coverage(std::move(ranges), parsed.tensors, data.size()));
  return parsed;
}

Result<std::map<std::string, std::string>> parse_safetensors_index(ByteView file) {
  ASSAY_TRY(const json document, parse_json(file, kIndexDepth));
  if (!document.is_object()) return corrupt("index is not a JSON object");
  const auto weight_map = document.find("weight_map");
  if (weight_map == document.end() || !weight_map->is_object()) return corrupt("weight_map is not an object");
  std::map<std::string, std::string> shard_of;
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string() || !is_plain_file_name(shard.get_ref<const std::string&>())) {
      return corrupt("weight_map of " + quote(tensor) + " is not the name of a file in the same folder");
    }
    shard_of.emplace(tensor, shard.get<std::string>());
  }
  return shard_of;
}

std::string safetensors_index_json(const std::map<std::string, std::string>& shard_of,
                                   std::uint64_t total_bytes) {
  const json document = {{"metadata", {{"total_size", total_bytes}}}, {"weight_map", shard_of}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace assay
