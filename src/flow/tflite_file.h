// A .tflite model that was made in memory, to disk.
#pragma once
#include <cstdint>
#include <filesystem>

#include "base/result.h"
#include "formats/tflite/model.h"

namespace assay {

// Whole or not at all; the model's constants are not copied on the way. The number of bytes of the file.
// Errors name the path: kIo, kResourceLimit (2 GB).
Result<std::uint64_t> write_tflite(const std::filesystem::path& path, const tflite::Model& model);

}  // namespace assay
