// A checkpoint of a detector on disk to a .tflite file.
#pragma once
#include <cstdint>
#include <filesystem>

#include "base/result.h"
#include "detect/families/convert.h"

namespace assay {

struct DetectorConversion {
  std::uint64_t checkpoint_bytes = 0;  // of the tensors
  std::uint64_t file_bytes = 0;        // what was written
  std::size_t operators = 0;
};

// `folder` has config.json and model.safetensors (or shards). The file appears whole or not at all. Errors
// name the file: those of open_checkpoint and convert_detector, kIo.
Result<DetectorConversion> convert_detector_folder(const std::filesystem::path& folder,
                                                   const std::filesystem::path& output,
                                                   detect::InputSize size);

}  // namespace assay
