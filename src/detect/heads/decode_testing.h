// What the tests of this folder build their outputs with.
#pragma once
#include <string>
#include <vector>

#include "detect/heads/decode.h"
#include "image/preprocess.h"

namespace assay::detect {

// All values `fill`.
inline Output make_output(std::string name, std::vector<std::int64_t> shape, float fill = 0.0f) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  return {{std::move(name), std::move(shape)}, std::vector<float>(count, fill)};
}

// A picture that is as large as the model's input.
inline Placement same_size(int width, int height) { return {.image_width = width, .image_height = height}; }

}  // namespace assay::detect
