// Pixels to files, for pictures with boxes drawn on them. Thread safe.
#pragma once
#include <string>

#include "base/result.h"
#include "image/image.h"

namespace assay {

// Errors: kInvalidArgument (an empty picture, a side over 65500 or a quality outside of 1 to 100),
// kResourceLimit.
Result<std::string> encode_jpeg(const Image& image, int quality);
Result<std::string> encode_png(const Image& image);

}  // namespace assay
