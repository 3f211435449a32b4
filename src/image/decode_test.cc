#include "image/decode.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "image/encode.h"
#include "support/testing.h"

namespace assay {
namespace {

std::string file(const std::string& name) { return read_bytes(golden("image/" + name)); }

Result<Image> decode(const std::string& bytes, const DecodeLimits& limits = {}) {
  return decode_image(as_bytes(bytes), limits);
}

int largest_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

TEST(Decode, GivesThePixelsOfPillowForEveryKindOfFile) {
  const auto names = nlohmann::json::parse(file("decode.json"));
  ASSERT_GT(names.size(), 20u);
  for (const std::string name : names) {
    SCOPED_TRACE(name);
    const auto decoded = decode(file(name));
    const auto expected = decode(file(name + ".expected.png"));
    ASSERT_THAT(decoded, IsOk());
    ASSERT_THAT(expected, IsOk());
    EXPECT_EQ(largest_difference(*decoded, *expected), 0);
  }
}

TEST(Decode, NamesATruncatedJpegWhereverItEnds) {
  for (const std::string name : {"plain.jpg", "progressive.jpg", "cmyk.jpg", "exif_6.jpg"}) {
    const std::string whole = file(name);
    for (std::size_t size = 2; size + 2 < whole.size(); size += 7) {
      const auto decoded = decode(whole.substr(0, size));
      EXPECT_THAT(decoded, FailsWith(ErrorCode::kCorrupt, "JPEG: ")) << name << " cut to " << size;
    }
  }
}

TEST(Decode, NamesATruncatedPngWhereverItEnds) {
  for (const std::string name : {"plain.png", "palette.png", "rgb16.png"}) {
    const std::string whole = file(name);
    for (std::size_t size = 8; size < whole.size(); size += 11) {
      EXPECT_THAT(decode(whole.substr(0, size)), FailsWith(ErrorCode::kCorrupt, "PNG: "))
          << name << " cut to " << size;
    }
  }
}

TEST(Decode, RefusesDamagedPixelDataOfAPng) {
  std::string bytes = file("plain.png");
  bytes[bytes.size() / 2] ^= 0x55;
  EXPECT_THAT(decode(bytes), FailsWith(ErrorCode::kCorrupt, "PNG: "));
}

TEST(Decode, RefusesAJpegWhoseDataEndsInAMarkerTooEarly) {
  std::string bytes = file("plain.jpg");
  bytes.erase(bytes.size() - 300, 298);
  EXPECT_THAT(decode(bytes), FailsWith(ErrorCode::kCorrupt, "JPEG: Corrupt JPEG data"));
}

TEST(Decode, NamesTheFormatsThatItDoesNotRead) {
  EXPECT_THAT(decode("GIF89a......"), FailsWith(ErrorCode::kUnsupported, "found a GIF"));
  EXPECT_THAT(decode("RIFF1234WEBPVP8 "), FailsWith(ErrorCode::kUnsupported, "found a WebP"));
  EXPECT_THAT(decode(""), FailsWith(ErrorCode::kUnsupported, "found an empty file"));
  EXPECT_THAT(decode("{\"images\": []}"), FailsWith(ErrorCode::kUnsupported, "expected a JPEG or PNG"));
}

TEST(Decode, RefusesMorePixelsThanAllowedBeforeTakingMemory) {
  const std::string bytes = file("plain.jpg");
  EXPECT_THAT(decode(bytes, {.max_side = 40}),
              FailsWith(ErrorCode::kResourceLimit, "size 41x29, expected at most 40"));
  EXPECT_THAT(decode(bytes, {.max_pixels = 41 * 29 - 1}),
              FailsWith(ErrorCode::kResourceLimit, "1188 pixels in all"));
  EXPECT_THAT(decode(bytes, {.max_side = 41, .max_pixels = 41 * 29}), IsOk());
  std::string huge = file("plain.jpg");
  const std::size_t frame = huge.find("\xff\xc0");
  huge.replace(frame + 5, 4, "\xff\xff\xff\xff");
  EXPECT_THAT(decode(huge), FailsWith(ErrorCode::kResourceLimit, "JPEG: "));
}

TEST(Decode, RefusesAJpegWithMoreScansThanAnyEncoderWrites) {
  EXPECT_THAT(decode(file("many_scans.jpg")), FailsWith(ErrorCode::kCorrupt, "JPEG: more than 80 scans"));
}

TEST(Decode, ReadsAPictureTwentyThousandPixelsWide) {
  const Image wide(20000, 3);
  for (const auto& encoded : {encode_jpeg(wide, 80), encode_png(wide)}) {
    ASSERT_THAT(encoded, IsOk());
    const auto decoded = decode(*encoded);
    ASSERT_THAT(decoded, IsOk());
    EXPECT_EQ(decoded->width, 20000);
    EXPECT_EQ(decoded->height, 3);
  }
}

TEST(Decode, NamesTheFileInErrors) {
  const TempDir dir;
  write_bytes(dir / "broken.jpg", "\xff\xd8\xff");
  EXPECT_THAT(read_image(dir / "broken.jpg"), FailsWith(ErrorCode::kCorrupt, "broken.jpg: JPEG: "));
  EXPECT_THAT(read_image(dir / "absent.jpg"), FailsWith(ErrorCode::kNotFound, "absent.jpg"));
}

TEST(Decode, ReadsEveryPictureOfCocoAtTheSizeThatItsAnnotationsSay) {
  const auto annotations = shared_data("coco/instances_val2017_100.json");
  const auto folder = shared_data("coco/val2017");
  if (!annotations || !folder) GTEST_SKIP() << "no COCO pictures on this machine";
  const auto truth = nlohmann::json::parse(read_bytes(*annotations));
  for (const auto& entry : truth["images"]) {
    const std::string name = entry["file_name"];
    const auto image = read_image(*folder / name);
    ASSERT_THAT(image, IsOk());
    EXPECT_EQ(image->width, entry["width"]) << name;
    EXPECT_EQ(image->height, entry["height"]) << name;
  }
}

TEST(Encode, KeepsPngPixelsAndJpegNearlySo) {
  const auto image = decode(file("plain.png"));
  ASSERT_THAT(image, IsOk());
  const auto png = encode_png(*image);
  ASSERT_THAT(png, IsOk());
  EXPECT_EQ(largest_difference(*image, *decode(*png)), 0);
  const auto smooth = decode(file("resize_bilinear_20x15.png"));
  const auto jpeg = encode_jpeg(*smooth, 100);
  ASSERT_THAT(jpeg, IsOk());
  const auto back = decode(*jpeg);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->width, 20);
}

TEST(Encode, RefusesWhatItCannotWrite) {
  EXPECT_THAT(encode_jpeg(Image(), 90), FailsWith(ErrorCode::kInvalidArgument, "size 0x0"));
  EXPECT_THAT(encode_png(Image()), FailsWith(ErrorCode::kInvalidArgument, "size 0x0"));
  EXPECT_THAT(encode_jpeg(Image(2, 2), 101), FailsWith(ErrorCode::kInvalidArgument, "quality"));
}

}  // namespace
}  // namespace assay
