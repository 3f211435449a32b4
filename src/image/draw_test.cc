#include "image/draw.h"

#include <algorithm>
#include <limits>
#include <set>

#include "image/font.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr Color kRed{255, 0, 0};

int count_red(const Image& image) {
  int count = 0;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) count += image.rgb[i] == 255 && image.rgb[i + 1] == 0;
  return count;
}

TEST(Draw, OutlinesExactlyTheEdgeOfTheRectangle) {
  Image image(10, 10);
  draw_rectangle(&image, 2, 3, 8, 7, kRed, 1);
  EXPECT_EQ(count_red(image), 2 * 6 + 2 * 2);
  EXPECT_EQ(image.row(3)[2 * 3], 255);
  EXPECT_EQ(image.row(6)[7 * 3], 255);
  EXPECT_EQ(image.row(5)[4 * 3], 0);
}

TEST(Draw, ClipsWhatLiesOutside) {
  Image image(10, 10);
  draw_rectangle(&image, -1e30f, -5, 1e30f, 4, kRed, 2);
  EXPECT_EQ(count_red(image), 2 * 10);
  draw_label(&image, -100, 1e9f, "a long label that does not fit", kRed, 3);
  draw_label(&image, 100, -50, "x", kRed, 1);
}

TEST(Draw, IgnoresRectanglesThatAreNone) {
  Image image(10, 10);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  draw_rectangle(&image, 5, 5, 5, 9, kRed, 1);
  draw_rectangle(&image, 8, 5, 2, 9, kRed, 1);
  draw_rectangle(&image, nan, 5, 8, 9, kRed, 1);
  draw_label(&image, 0, nan, "x", kRed, 1);
  EXPECT_EQ(count_red(image), 0);
}

TEST(Draw, WritesTheGlyphOnItsField) {
  Image image(20, 20);
  draw_label(&image, 0, 9, "I", kRed, 1);
  // 7 x 9 pixels of field, of which the 11 of the glyph show the ink.
  EXPECT_EQ(count_red(image), 7 * 9 - 11);
}

TEST(Font, HasADifferentGlyphForEveryPrintableCharacter) {
  std::set<std::string> shapes;
  for (char character = ' '; character <= '~'; ++character) {
    std::string shape;
    for (int row = 0; row < kGlyphHeight; ++row) {
      for (int column = 0; column < kGlyphWidth; ++column)
        shape += glyph_pixel(character, column, row) ? '#' : '.';
    }
    EXPECT_TRUE(shapes.insert(shape).second) << character;
  }
  EXPECT_EQ(glyph_pixel('\xc3', 0, 0), glyph_pixel('?', 0, 0));
}

}  // namespace
}  // namespace assay
