#include "image/draw.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "image/font.h"

namespace assay {
namespace {

// Pixel coordinates that stay far from overflow when widths are added; NaN has been sorted out before.
int to_pixel(float value) { return static_cast<int>(std::lround(std::clamp(value, -1e6f, 1e6f))); }

void fill(Image* image, int left, int top, int right, int bottom, Color color) {
  left = std::max(left, 0);
  right = std::min(right, image->width);
  for (int y = std::max(top, 0); y < std::min(bottom, image->height); ++y) {
    for (int x = left; x < right; ++x) {
      std::uint8_t* pixel = image->row(y) + static_cast<std::size_t>(x) * 3;
      pixel[0] = color.red, pixel[1] = color.green, pixel[2] = color.blue;
    }
  }
}

Color readable_on(Color field) {
  // Rec. 601 luma, in thousandths.
  const int luma = 299 * field.red + 587 * field.green + 114 * field.blue;
  return luma > 128'000 ? Color{0, 0, 0} : Color{255, 255, 255};
}

}  // namespace

Color category_color(int index) {
  static constexpr std::array<Color, 12> kColors = {{{230, 25, 75},
                                                     {60, 180, 75},
                                                     {255, 225, 25},
                                                     {0, 130, 200},
                                                     {245, 130, 48},
                                                     {145, 30, 180},
                                                     {70, 240, 240},
                                                     {240, 50, 230},
                                                     {210, 245, 60},
                                                     {0, 128, 128},
                                                     {170, 110, 40},
                                                     {128, 0, 0}}};
  return kColors[static_cast<unsigned>(index) % kColors.size()];
}

void draw_rectangle(Image* image, float left, float top, float right, float bottom, Color color,
                    int thickness) {
  if (!std::isfinite(left) || !std::isfinite(top) || !std::isfinite(right) || !std::isfinite(bottom)) return;
  const int x0 = to_pixel(left), y0 = to_pixel(top), x1 = to_pixel(right), y1 = to_pixel(bottom);
  if (x0 >= x1 || y0 >= y1) return;
  const int t = std::clamp(thickness, 1, std::max(1, std::min(x1 - x0, y1 - y0)));
  fill(image, x0, y0, x1, y0 + t, color);
  fill(image, x0, y1 - t, x1, y1, color);
  fill(image, x0, y0, x0 + t, y1, color);
  fill(image, x1 - t, y0, x1, y1, color);
}

void draw_label(Image* image, float left, float bottom, std::string_view text, Color color, int scale) {
  if (!std::isfinite(left) || !std::isfinite(bottom) || text.empty() || image->width < 1) return;
  scale = std::clamp(scale, 1, 64);
  const int advance = (kGlyphWidth + 1) * scale;
  text = text.substr(0, static_cast<std::size_t>(image->width / advance + 1));
  const int width = static_cast<int>(text.size()) * advance + scale;
  const int height = (kGlyphHeight + 2) * scale;
  const int x0 = std::max(0, std::min(to_pixel(left), image->width - width));
  const int y0 = std::max(0, std::min(to_pixel(bottom), image->height) - height);
  fill(image, x0, y0, x0 + width, y0 + height, color);
  const Color ink = readable_on(color);
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int column = 0; column < kGlyphWidth; ++column) {
      for (int row = 0; row < kGlyphHeight; ++row) {
        if (!glyph_pixel(text[i], column, row)) continue;
        const int x = x0 + scale + static_cast<int>(i) * advance + column * scale;
        const int y = y0 + scale + row * scale;
        fill(image, x, y, x + scale, y + scale, ink);
      }
    }
  }
}

int drawing_scale(const Image& image) { return std::max(1, std::max(image.width, image.height) / 500); }

}  // namespace assay
