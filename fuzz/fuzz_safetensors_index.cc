// Whatever was read can be written and read again; no shard lies outside of the folder.
#include <cstdint>

#include "base/check.h"
#include "formats/safetensors/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto shards = assay::parse_safetensors_index(std::as_bytes(std::span(data, size)));
  if (!shards) return 0;
  for (const auto& [tensor, shard] : *shards)
    ASSAY_CHECK(shard.find('/') == std::string::npos && shard != "..");
  const std::string text = assay::safetensors_index_json(*shards, size);
  ASSAY_CHECK(*assay::parse_safetensors_index(assay::as_bytes(text)) == *shards);
  return 0;
}
