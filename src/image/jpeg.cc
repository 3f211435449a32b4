// libjpeg reports errors by leaving through longjmp. It is confined to this file: every call into libjpeg
// happens in a member function that sets the jump first and has only trivial locals, and what has a
// destructor lives outside of it.
#include <setjmp.h>

// jpeglib.h needs FILE and size_t declared, and jerror.h needs jpeglib.h.
// clang-format off
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <cstdlib>
#include <string>

#include "image/codecs.h"
#include "image/encode.h"
#include "image/exif.h"

namespace assay {
namespace {

// A file can hold thousands of scans that each cost a pass over the picture; encoders write about ten.
constexpr int kMaxScans = 80;

struct ErrorManager {
  jpeg_error_mgr base;  // first, so that libjpeg's pointer is ours
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  int code;  // of `message`; 0 while all is well
};

ErrorManager* manager(j_common_ptr info) { return reinterpret_cast<ErrorManager*>(info->err); }

void keep_message(j_common_ptr info) {
  info->err->format_message(info, manager(info)->message);
  manager(info)->code = info->err->msg_code;
}

[[noreturn]] void leave(j_common_ptr info) {
  keep_message(info);
  longjmp(manager(info)->jump, 1);
}

// Warnings after which the picture is still what was stored.
bool is_harmless(int code) {
  return code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR ||
         code == JWRN_TOO_MUCH_DATA;
}

// libjpeg goes on after damaged data, with grey where pixels are missing; an evaluation must not.
void on_message(j_common_ptr info, int level) {
  if (level < 0 && !is_harmless(info->err->msg_code)) leave(info);
}

void on_progress(j_common_ptr info) {
  ErrorManager* errors = manager(info);
  if (!info->is_decompressor || reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans)
    return;
  snprintf(errors->message, sizeof errors->message, "more than %d scans", kMaxScans);
  errors->code = JERR_BAD_PROGRESSION;
  longjmp(errors->jump, 1);
}

void set_up(ErrorManager* errors, jpeg_error_mgr** slot) {
  *slot = jpeg_std_error(&errors->base);
  errors->base.error_exit = leave;
  errors->base.emit_message = on_message;
  errors->code = 0;
  errors->message[0] = '\0';
}

Error to_error(const ErrorManager& errors) {
  const bool truncated = errors.code == JWRN_JPEG_EOF || errors.code == JWRN_HIT_MARKER;
  const bool unsupported = errors.code == JERR_SOF_UNSUPPORTED || errors.code == JERR_BAD_PRECISION ||
                           errors.code == JERR_CONVERSION_NOTIMPL;
  const ErrorCode code = errors.code == JERR_OUT_OF_MEMORY || errors.code == JERR_IMAGE_TOO_BIG
                             ? ErrorCode::kResourceLimit
                         : unsupported ? ErrorCode::kUnsupported
                                       : ErrorCode::kCorrupt;
  return {code, std::string("JPEG: ") + errors.message + (truncated ? " (file truncated?)" : "")};
}

class Reader {
 public:
  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    if (created_) jpeg_destroy_decompress(&info_);
  }

  // Each returns false after an error, which error() then tells.
  bool read_header(ByteView bytes) {
    set_up(&errors_, &info_.err);
    if (setjmp(errors_.jump)) return false;
    jpeg_create_decompress(&info_);
    created_ = true;
    progress_.progress_monitor = on_progress;
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  // `pixels` takes height * width * components bytes; `components` is 1, 3 or 4.
  bool read_pixels(std::uint8_t* pixels) {
    if (setjmp(errors_.jump)) return false;
    info_.out_color_space = components() == 1 ? JCS_GRAYSCALE : components() == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_start_decompress(&info_);
    const std::size_t stride = static_cast<std::size_t>(info_.output_width) * info_.output_components;
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = pixels + info_.output_scanline * stride;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  std::uint64_t width() const { return info_.image_width; }
  std::uint64_t height() const { return info_.image_height; }
  int components() const { return info_.num_components; }
  Error error() const { return to_error(errors_); }

  int orientation() const {
    using namespace std::string_view_literals;
    for (const jpeg_marker_struct* marker = info_.marker_list; marker; marker = marker->next) {
      const ByteView data = std::as_bytes(std::span(marker->data, marker->data_length));
      if (as_text(data).starts_with("Exif\0\0"sv)) return image_internal::exif_orientation(data.subspan(6));
    }
    return 1;
  }

 private:
  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  ErrorManager errors_{};
  bool created_ = false;
};

class Writer {
 public:
  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    if (created_) jpeg_destroy_compress(&info_);
    std::free(buffer_);
  }

  bool write(const Image& image, int quality) {
    set_up(&errors_, &info_.err);
    if (setjmp(errors_.jump)) return false;
    jpeg_create_compress(&info_);
    created_ = true;
    jpeg_mem_dest(&info_, &buffer_, &size_);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.input_components = 3;
    info_.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(info_.next_scanline)));
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }

  std::string bytes() const { return {reinterpret_cast<const char*>(buffer_), size_}; }
  Error error() const { return to_error(errors_); }

 private:
  jpeg_compress_struct info_{};
  ErrorManager errors_{};
  unsigned char* buffer_ = nullptr;
  unsigned long size_ = 0;
  bool created_ = false;
};

void spread_grey(Image* image) {
  // From the back, as the grey values lie in the first third of the same memory.
  for (std::size_t i = image->rgb.size() / 3; i-- > 0;) {
    const std::uint8_t grey = image->rgb[i];
    image->rgb[3 * i] = image->rgb[3 * i + 1] = image->rgb[3 * i + 2] = grey;
  }
}

// Pillow's cmyk2rgb after its inversion ("CMYK;I"), rounding included: stored values are 255 - ink.
void from_inverted_cmyk(const std::vector<std::uint8_t>& cmyk, Image* image) {
  for (std::size_t i = 0; i < image->rgb.size() / 3; ++i) {
    const int light = cmyk[4 * i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int product = (255 - cmyk[4 * i + c]) * light + 128;
      image->rgb[3 * i + c] = static_cast<std::uint8_t>(light - ((product + (product >> 8)) >> 8));
    }
  }
}

}  // namespace

namespace image_internal {

Result<Decoded> decode_jpeg(ByteView bytes, const DecodeLimits& limits) {
  Reader reader;
  if (!reader.read_header(bytes)) return reader.error();
  ASSAY_RETURN_IF_ERROR(check_size("JPEG", reader.width(), reader.height(), limits));
  const int components = reader.components();
  if (components != 1 && components != 3 && components != 4) {
    return Error{ErrorCode::kUnsupported,
                 "JPEG: " + std::to_string(components) + " components, expected 1, 3 or 4"};
  }
  Decoded decoded;
  decoded.orientation = reader.orientation();  // libjpeg forgets the markers with the last row
  decoded.image = Image(static_cast<int>(reader.width()), static_cast<int>(reader.height()));
  std::vector<std::uint8_t> cmyk(components == 4 ? decoded.image.rgb.size() / 3 * 4 : 0);
  if (!reader.read_pixels(components == 4 ? cmyk.data() : decoded.image.rgb.data())) return reader.error();
  if (components == 1) spread_grey(&decoded.image);
  if (components == 4) from_inverted_cmyk(cmyk, &decoded.image);
  return decoded;
}

}  // namespace image_internal

Result<std::string> encode_jpeg(const Image& image, int quality) {
  if (quality < 1 || quality > 100) {
    return Error{ErrorCode::kInvalidArgument,
                 "JPEG quality: expected 1 to 100, got " + std::to_string(quality)};
  }
  if (image.width < 1 || image.height < 1 || image.width > JPEG_MAX_DIMENSION ||
      image.height > JPEG_MAX_DIMENSION) {
    return Error{ErrorCode::kInvalidArgument, "JPEG: size " + std::to_string(image.width) + "x" +
                                                  std::to_string(image.height) +
                                                  ", expected 1 to 65500 a side"};
  }
  Writer writer;
  if (!writer.write(image, quality)) return writer.error();
  return writer.bytes();
}

}  // namespace assay
