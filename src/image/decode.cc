#include "image/decode.h"

#include <new>
#include <string>

#include "base/mapped_file.h"
#include "image/codecs.h"
#include "image/exif.h"

namespace assay {
namespace {

bool starts_with(ByteView bytes, std::string_view signature) { return as_text(bytes).starts_with(signature); }

// A format that people do have lying around, by name, so that they know what to convert.
std::string what_else(ByteView bytes) {
  if (bytes.empty()) return "an empty file";
  if (starts_with(bytes, "GIF8")) return "a GIF";
  if (starts_with(bytes, "BM")) return "a BMP";
  if (starts_with(bytes, "II*") || starts_with(bytes, "MM")) return "a TIFF";
  if (starts_with(bytes, "RIFF") && bytes.size() >= 12 && as_text(bytes.subspan(8, 4)) == "WEBP")
    return "a WebP";
  if (bytes.size() >= 12 && as_text(bytes.subspan(4, 4)) == "ftyp") return "a HEIF or AVIF";
  return "something else";
}

Result<image_internal::Decoded> decode_any(ByteView bytes, const DecodeLimits& limits) {
  using namespace std::string_view_literals;
  if (starts_with(bytes, "\xff\xd8"sv)) return image_internal::decode_jpeg(bytes, limits);
  if (starts_with(bytes, "\x89PNG\r\n\x1a\n"sv)) return image_internal::decode_png(bytes, limits);
  return Error{ErrorCode::kUnsupported, "image: expected a JPEG or PNG, found " + what_else(bytes)};
}

}  // namespace

namespace image_internal {

Status check_size(const char* format, std::uint64_t width, std::uint64_t height, const DecodeLimits& limits) {
  const std::string size =
      std::string(format) + ": size " + std::to_string(width) + "x" + std::to_string(height);
  if (width == 0 || height == 0) return Error{ErrorCode::kCorrupt, size + ", expected at least 1x1"};
  const auto side = static_cast<std::uint64_t>(limits.max_side);
  if (width > side || height > side) {
    return Error{ErrorCode::kResourceLimit,
                 size + ", expected at most " + std::to_string(side) + " pixels a side"};
  }
  if (width * height > static_cast<std::uint64_t>(limits.max_pixels)) {
    return Error{ErrorCode::kResourceLimit,
                 size + ", expected at most " + std::to_string(limits.max_pixels) + " pixels in all"};
  }
  return {};
}

}  // namespace image_internal

Result<Image> decode_image(ByteView bytes, const DecodeLimits& limits) {
  try {
    ASSAY_TRY(image_internal::Decoded decoded, decode_any(bytes, limits));
    return image_internal::apply_orientation(std::move(decoded.image), decoded.orientation);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kResourceLimit, "image: not enough memory for its pixels"};
  }
}

Result<Image> read_image(const std::filesystem::path& path, const DecodeLimits& limits) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  auto image = decode_image(file.bytes(), limits);
  if (!image) return image.error().with_context(path.string());
  return image;
}

}  // namespace assay
