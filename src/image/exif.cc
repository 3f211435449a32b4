#include "image/exif.h"

#include <cstring>

namespace assay::image_internal {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShort = 3;

// `count` bytes at `offset` as a number; the caller has checked that they exist.
std::uint32_t number(ByteView bytes, std::size_t offset, int count, bool big_endian) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) {
    const std::size_t at = offset + static_cast<std::size_t>(big_endian ? i : count - 1 - i);
    value = value << 8 | std::to_integer<std::uint32_t>(bytes[at]);
  }
  return value;
}

}  // namespace

int exif_orientation(ByteView tiff) {
  if (tiff.size() < 8) return 1;
  const std::string_view order = as_text(tiff.first(2));
  const bool big = order == "MM";
  if ((!big && order != "II") || number(tiff, 2, 2, big) != 42) return 1;
  const std::size_t directory = number(tiff, 4, 4, big);
  if (directory > tiff.size() - 2) return 1;
  const std::uint32_t entries = number(tiff, directory, 2, big);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{12} * i;
    if (entry + 12 > tiff.size()) return 1;
    if (number(tiff, entry, 2, big) != kOrientationTag) continue;
    if (number(tiff, entry + 2, 2, big) != kShort || number(tiff, entry + 4, 4, big) != 1) return 1;
    const std::uint32_t orientation = number(tiff, entry + 8, 2, big);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

Image apply_orientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  // Where the stored first row and first column end up: EXIF's table, as flips of the stored picture's axes.
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image upright(transposed ? image.height : image.width, transposed ? image.width : image.height);
  for (int y = 0; y < upright.height; ++y) {
    std::uint8_t* out = upright.row(y);
    for (int x = 0; x < upright.width; ++x, out += 3) {
      int from_x = transposed ? y : x;
      int from_y = transposed ? x : y;
      if (flip_x) from_x = image.width - 1 - from_x;
      if (flip_y) from_y = image.height - 1 - from_y;
      std::memcpy(out, image.row(from_y) + static_cast<std::size_t>(from_x) * 3, 3);
    }
  }
  return upright;
}

}  // namespace assay::image_internal
