// Pictures with what was found on them.
#pragma once
#include <filesystem>
#include <vector>

#include "base/result.h"
#include "detect/heads/class_map.h"
#include "detect/heads/decode.h"
#include "image/image.h"

namespace assay {

// A JPEG or, where `path` ends in .png, a PNG of the picture with a box and a label for each detection, the
// best on top. Whole or not at all. Errors: those of encoding, kIo.
Status write_drawn(Image picture, const std::vector<detect::Detection>& detections,
                   const detect::ClassMap& classes, const std::filesystem::path& path);

}  // namespace assay
