// The tiny checkpoints of tests/goldens/detr for tests.
#pragma once
#include <string>

#include "detect/families/checkpoint_weights.h"
#include "formats/safetensors/safetensors.h"
#include "support/testing.h"

namespace assay::detect {

struct LoadedTensors {
  std::string bytes;
  SafetensorsFile file;
  TensorMap map() const {
    TensorMap tensors;
    for (const TensorView& view : file.tensors) tensors.emplace(view.name, view);
    return tensors;
  }
};

inline LoadedTensors load(const std::filesystem::path& path) {
  LoadedTensors loaded{read_bytes(path), {}};
  auto parsed = parse_safetensors(as_bytes(loaded.bytes));
  EXPECT_THAT(parsed, IsOk()) << path;
  if (parsed) loaded.file = *std::move(parsed);
  return loaded;
}

}  // namespace assay::detect
