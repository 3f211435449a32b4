// What a checkpoint's preprocessor_config.json wants done to pictures.
// Source: transformers, image_processing_detr.py and its siblings.
#pragma once
#include <array>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "image/resize.h"

namespace assay::detect {

struct InputSize {
  int height = 0, width = 0;  // pixels
  bool operator==(const InputSize&) const = default;
};

struct Processor {
  ResizeKind resize = ResizeKind::kPillowBilinear;
  // value = (pixel - mean) / std, pixel 0 to 255, red first
  std::array<float, 3> mean = {0.0f, 0.0f, 0.0f}, std = {1.0f, 1.0f, 1.0f};
  std::optional<InputSize> exact;           // every picture gets these sides
  int shortest_edge = 0, longest_edge = 0;  // otherwise; longest_edge 0: without limit
  int multiple = 1;                         // both edges are rounded down to one of it: 16 for YOLOS
};

// Errors: kCorrupt and kUnsupported, naming the key.
Result<Processor> read_processor(std::string_view json);

// The size that the processor gives a picture of these sides.
InputSize processed_size(const Processor& processor, InputSize picture);

}  // namespace assay::detect
