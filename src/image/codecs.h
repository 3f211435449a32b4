// Internal to this library: one function per format, before orientation is applied.
#pragma once
#include "base/bytes.h"
#include "base/result.h"
#include "image/decode.h"
#include "image/image.h"

namespace assay::image_internal {

struct Decoded {
  Image image;
  int orientation = 1;  // as EXIF counts: 1 upright, 2 mirrored, ... 8
};

// Errors as decode_image. REQUIRES: the bytes start with the format's signature.
Result<Decoded> decode_jpeg(ByteView bytes, const DecodeLimits& limits);
Result<Decoded> decode_png(ByteView bytes, const DecodeLimits& limits);

// Errors: kResourceLimit, kCorrupt (a side that is zero); `format` starts the message.
Status check_size(const char* format, std::uint64_t width, std::uint64_t height, const DecodeLimits& limits);

}  // namespace assay::image_internal
