// The safetensors format: an 8-byte little-endian header length, a JSON header, the tensors' bytes without
// holes. Source: https://github.com/huggingface/safetensors (README, "Format"), and its reference
// implementation.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "formats/tensor_view.h"

namespace assay {

struct SafetensorsFile {
  std::vector<TensorView> tensors;              // sorted by name; borrow from the parsed bytes
  std::map<std::string, std::string> metadata;  // the header's __metadata__

  // Nothing when there is no such tensor. The pointer lives as long as `tensors` is unchanged.
  const TensorView* find(std::string_view name) const;
};

// Reads the header and refuses whatever contradicts the format: a header over 100 MB or past the end of the
// file, JSON that is not an object of tensors, duplicate names, sizes that differ from shape x dtype, offsets
// outside of the data, overlaps, holes, bytes after the last tensor. Alignment is not required. Errors:
// kCorrupt; kUnsupported for a dtype outside of tensor/dtype.h (F8_E8M0, F4 ...), naming tensor and dtype.
// Costs memory proportional to the header; tensor data is not read. Thread safe.
Result<SafetensorsFile> parse_safetensors(ByteView file);

// model.safetensors.index.json: tensor name -> name of the shard file in the same folder. A file name that
// would leave the folder (separators, "..", empty) is refused as kCorrupt.
Result<std::map<std::string, std::string>> parse_safetensors_index(ByteView file);

// The content of an index file for these shards; total_bytes is the sum over all tensors.
std::string safetensors_index_json(const std::map<std::string, std::string>& shard_of,
                                   std::uint64_t total_bytes);

}  // namespace assay
