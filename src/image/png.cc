// libpng leaves through longjmp, as libjpeg does; see jpeg.cc for how that is confined.
#include <png.h>
#include <setjmp.h>

#include <cstring>
#include <string>

#include "image/codecs.h"
#include "image/encode.h"
#include "image/exif.h"

namespace assay {
namespace {

// Compressed text and profiles in a hostile file must not grow without bound.
constexpr png_alloc_size_t kMaxChunkBytes = 8'000'000;
constexpr png_uint_32 kMaxCachedChunks = 128;

class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  // Each returns false after an error, which error() then tells.
  bool read_header() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ == nullptr || (info_ = png_create_info_struct(png_)) == nullptr) return out_of_memory();
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_read_fn(png_, this, on_read);
    // Sizes are judged by check_size, which can say more than libpng's "invalid IHDR data".
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
    png_set_chunk_cache_max(png_, kMaxCachedChunks);
    png_read_info(png_, info_);
    return true;
  }

  // `rows` are height() pointers to 3 * width() bytes each.
  bool read_pixels(png_bytep* rows) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_expand(png_);
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != std::size_t{3} * png_get_image_width(png_, info_)) {
      png_error(png_, "rows do not come out as RGB");
    }
    png_read_image(png_, rows);
    png_read_end(png_, info_);
    return true;
  }

  std::uint64_t width() const { return png_get_image_width(png_, info_); }
  std::uint64_t height() const { return png_get_image_height(png_, info_); }
  Error error() const { return {code_, std::string("PNG: ") + message_}; }

  int orientation() {
    png_uint_32 size = 0;
    png_bytep data = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &data) == 0) return 1;
    return image_internal::exif_orientation(std::as_bytes(std::span(data, size)));
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<Reader*>(png_get_error_ptr(png));
    if (self->message_[0] == '\0') std::strncpy(self->message_, message, sizeof self->message_ - 1);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}  // about metadata; pixels are unharmed

  static void on_read(png_structp png, png_bytep out, std::size_t size) {
    auto* self = static_cast<Reader*>(png_get_io_ptr(png));
    if (size > self->bytes_.size() - self->offset_) png_error(png, "data ends early (file truncated?)");
    std::memcpy(out, self->bytes_.data() + self->offset_, size);
    self->offset_ += size;
  }

  bool out_of_memory() {
    code_ = ErrorCode::kResourceLimit;
    std::strncpy(message_, "out of memory", sizeof message_ - 1);
    return false;
  }

  ByteView bytes_;
  std::size_t offset_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  ErrorCode code_ = ErrorCode::kCorrupt;
  char message_[200] = {};
};

}  // namespace

namespace image_internal {

Result<Decoded> decode_png(ByteView bytes, const DecodeLimits& limits) {
  Reader reader(bytes);
  if (!reader.read_header()) return reader.error();
  ASSAY_RETURN_IF_ERROR(check_size("PNG", reader.width(), reader.height(), limits));
  Decoded decoded;
  decoded.image = Image(static_cast<int>(reader.width()), static_cast<int>(reader.height()));
  std::vector<png_bytep> rows(reader.height());
  for (int y = 0; y < decoded.image.height; ++y) rows[static_cast<std::size_t>(y)] = decoded.image.row(y);
  if (!reader.read_pixels(rows.data())) return reader.error();
  decoded.orientation = reader.orientation();
  return decoded;
}

}  // namespace image_internal

Result<std::string> encode_png(const Image& image) {
  constexpr int kMaxSide = 65500;  // as JPEG's, so that the two formats take the same pictures
  if (image.width < 1 || image.height < 1 || image.width > kMaxSide || image.height > kMaxSide) {
    return Error{ErrorCode::kInvalidArgument, "PNG: size " + std::to_string(image.width) + "x" +
                                                  std::to_string(image.height) +
                                                  ", expected 1 to 65500 a side"};
  }
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::string bytes(size, '\0');
  if (!png_image_write_to_memory(&header, bytes.data(), &size, 0, image.rgb.data(), 0, nullptr)) {
    return Error{ErrorCode::kResourceLimit, std::string("PNG: ") + header.message};
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace assay
