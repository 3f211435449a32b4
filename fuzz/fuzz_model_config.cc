// config.json of a language model.
#include <cstdint>

#include "engine/model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(assay::parse_model_config({reinterpret_cast<const std::byte*>(data), size}));
  return 0;
}
