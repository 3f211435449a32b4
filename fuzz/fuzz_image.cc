// Whatever the bytes, decoding ends in an error or in a picture within the limits, whose pixels are all
// there.
#include <cstdint>

#include "base/check.h"
#include "image/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr assay::DecodeLimits kLimits{.max_side = 512, .max_pixels = 64 * 1024};
  const auto image = assay::decode_image(std::as_bytes(std::span(data, size)), kLimits);
  if (!image) {
    ASSAY_CHECK(!image.error().message.empty() && image.error().message.find('\n') == std::string::npos);
    return 0;
  }
  ASSAY_CHECK(image->width >= 1 && image->width <= kLimits.max_side);
  ASSAY_CHECK(image->height >= 1 && image->height <= kLimits.max_side);
  ASSAY_CHECK(image->rgb.size() == image->row_bytes() * static_cast<std::size_t>(image->height));
  return 0;
}
