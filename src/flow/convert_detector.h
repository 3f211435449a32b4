// A checkpoint of a detector on disk to a .tflite file.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "detect/families/convert.h"

namespace assay {

// Which input the graph is for: given sides, or those that the checkpoint's processor gives a picture of an
// aspect.
struct DetectorInput {
  std::optional<detect::InputSize> size;
  int aspect_width = 4, aspect_height = 3;
};
// "800x1066" (height x width, as PyTorch counts) or "4:3" (width to height, as people do). Errors:
// kInvalidArgument.
Result<DetectorInput> parse_detector_input(std::string_view text);

struct DetectorConversion {
  std::uint64_t checkpoint_bytes = 0;  // of the tensors
  std::uint64_t file_bytes = 0;        // what was written
  std::size_t operators = 0;
  detect::InputSize size;
};

// `folder` has config.json, preprocessor_config.json and model.safetensors (or shards). The file appears
// whole or not at all. Errors name the file: those of open_checkpoint and convert_detector, kIo.
Result<DetectorConversion> convert_detector_folder(const std::filesystem::path& folder,
                                                   const std::filesystem::path& output,
                                                   const DetectorInput& input,
                                                   const detect::ConvertOptions& options = {});

}  // namespace assay
