#include "image/resize.h"

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "image/decode.h"
#include "support/testing.h"

namespace assay {
namespace {

TEST(Resize, EqualsPillowAndOpenCvInEveryPixel) {
  const std::map<std::string, ResizeKind> kinds = {{"nearest", ResizeKind::kPillowNearest},
                                                   {"bilinear", ResizeKind::kPillowBilinear},
                                                   {"bicubic", ResizeKind::kPillowBicubic},
                                                   {"opencv", ResizeKind::kOpenCvLinear}};
  const auto cases = nlohmann::json::parse(read_bytes(golden("image/resize.json")));
  ASSERT_GT(cases.size(), 30u);
  for (const auto& item : cases) {
    const std::string name = item["file"];
    const auto source = read_image(golden("image/" + item.value("from", "plain.png")));
    const auto expected = read_image(golden("image/" + name));
    ASSERT_THAT(source, IsOk());
    ASSERT_THAT(expected, IsOk());
    const Image resized = resize(*source, item["width"], item["height"], kinds.at(item["kind"]));
    ASSERT_EQ(resized.rgb.size(), expected->rgb.size());
    int largest = 0;
    for (std::size_t i = 0; i < resized.rgb.size(); ++i) {
      largest = std::max(largest, std::abs(resized.rgb[i] - expected->rgb[i]));
    }
    EXPECT_EQ(largest, 0) << name;
  }
}

TEST(Resize, KeepsAUniformPictureUniform) {
  Image grey(123, 45);
  std::fill(grey.rgb.begin(), grey.rgb.end(), 200);
  for (const auto kind : {ResizeKind::kPillowNearest, ResizeKind::kPillowBilinear, ResizeKind::kPillowBicubic,
                          ResizeKind::kOpenCvLinear}) {
    const Image resized = resize(grey, 300, 17, kind);
    for (const auto value : resized.rgb) ASSERT_EQ(value, 200) << static_cast<int>(kind);
  }
}

TEST(Resize, CopesWithTheLongestAndTheSmallestPicture) {
  for (const auto kind : {ResizeKind::kPillowNearest, ResizeKind::kPillowBilinear, ResizeKind::kPillowBicubic,
                          ResizeKind::kOpenCvLinear}) {
    EXPECT_EQ(resize(Image(20000, 1), 416, 416, kind).rgb.size(), 416u * 416 * 3);
    EXPECT_EQ(resize(Image(1, 1), 416, 416, kind).rgb.size(), 416u * 416 * 3);
  }
}

}  // namespace
}  // namespace assay
