#include "image/warp.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "image/decode.h"
#include "image/preprocess.h"
#include "support/testing.h"

namespace assay {
namespace {

Image part_of(const Image& image, int width, int height) {
  Image part(width, height);
  for (int y = 0; y < height; ++y)
    std::copy_n(image.row(y), static_cast<std::size_t>(width) * 3, part.row(y));
  return part;
}

TEST(Warp, EqualsOpenCvInEveryPixelForMediaPipesLetterbox) {
  const auto source = read_image(golden("image/plain.png"));
  ASSERT_THAT(source, IsOk());
  const auto cases = nlohmann::json::parse(read_bytes(golden("image/warp.json")));
  ASSERT_EQ(cases.size(), 4u);
  for (const auto& item : cases) {
    const auto expected = read_image(golden("image/" + item["file"].get<std::string>()));
    ASSERT_THAT(expected, IsOk());
    InputSpec spec;
    spec.width = spec.height = item["side"];
    spec.fit = FitKind::kWarpCentered;
    const Image part = part_of(*source, item["width"], item["height"]);
    const Placement at = place(part.width, part.height, spec);
    const Image found = warp(part, spec.width, spec.height, at.scale_x, {at.offset_x, at.offset_y}, 0);
    EXPECT_EQ(found.rgb, expected->rgb) << item["file"];
  }
}

TEST(Warp, LeavesAPictureAloneAtScaleOne) {
  Image image(7, 5);
  for (std::size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<std::uint8_t>(i * 37);
  EXPECT_EQ(warp(image, 7, 5, 1.0, {0, 0}, 9).rgb, image.rgb);
}

TEST(Warp, GivesTheBorderOutsideHoweverFar) {
  const Image image(2, 2);
  const Image found = warp(image, 3, 3, 1e-12, {1000, -1000}, 77);
  EXPECT_TRUE(
      std::all_of(found.rgb.begin(), found.rgb.end(), [](std::uint8_t value) { return value == 77; }));
}

TEST(PrepareInput, PutsAPictureIntoTheMiddleOfMediaPipesInputWithBlackAround) {
  Image white(40, 20);
  std::fill(white.rgb.begin(), white.rgb.end(), 255);
  InputSpec spec;
  spec.width = spec.height = 8;
  spec.fit = FitKind::kWarpCentered;
  spec.mean = spec.std = {127.5f, 127.5f, 127.5f};
  const auto prepared = prepare_input(white, spec, {});
  ASSERT_THAT(prepared, IsOk());
  EXPECT_EQ(prepared->placement.scale_x, 0.2);
  EXPECT_EQ(prepared->placement.offset_x, 0.0);
  EXPECT_EQ(prepared->placement.offset_y, 2.0);
  const auto* values = reinterpret_cast<const float*>(prepared->bytes.data());
  EXPECT_EQ(values[0], -1.0f);
  EXPECT_EQ(values[(4 * 8 + 4) * 3], 1.0f);
}

}  // namespace
}  // namespace assay
