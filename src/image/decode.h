// JPEG and PNG files to pixels, the way `ImageOps.exif_transpose(Image.open(f)).convert("RGB")` of Pillow
// does it:
//   JPEG   baseline, progressive and arithmetic; greyscale, YCbCr, RGB, CMYK and YCCK (inverted, as Adobe
//   writes them);
//          accurate DCT and smooth chroma upsampling, libjpeg's defaults
//   PNG    every colour type and depth, interlaced or not; alpha is dropped, not blended; 16 bits keep the
//   high byte
//          (Pillow clips 16-bit greyscale instead, which turns photographs white; here it is the high byte as
//          well)
//   EXIF   the orientation of a JPEG or PNG is applied; an EXIF block that makes no sense counts as upright
// Colour profiles and gamma are ignored, as detectors were trained without them.
// Thread safety: all functions may be called from any number of threads.
#pragma once
#include <cstdint>
#include <filesystem>

#include "base/bytes.h"
#include "base/result.h"
#include "image/image.h"

namespace assay {

// What is refused before any memory for pixels is taken.
struct DecodeLimits {
  int max_side = 32768;
  std::int64_t max_pixels = 200'000'000;  // 600 MB decoded
};

// Errors: kCorrupt (broken or truncated: the decoder's own words), kUnsupported (another format, named where
// known; an encoding the decoder lacks), kResourceLimit (over `limits`, or out of memory).
Result<Image> decode_image(ByteView bytes, const DecodeLimits& limits = {});

// The same for a file; every error starts with the path. Also kNotFound and kIo.
Result<Image> read_image(const std::filesystem::path& path, const DecodeLimits& limits = {});

}  // namespace assay
