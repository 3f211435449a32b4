// Boxes and their labels on a picture. Everything is clipped to the picture; nothing can fail. Thread safe.
#pragma once
#include <string_view>

#include "image/image.h"

namespace assay {

struct Color {
  std::uint8_t red = 0, green = 0, blue = 0;
};

// One of a fixed set of colours that are easy to tell apart; the same index always gets the same one.
Color category_color(int index);

// The outline of [left, right) x [top, bottom), `thickness` pixels wide and growing inwards. Coordinates are
// pixels; an empty or not finite rectangle draws nothing.
void draw_rectangle(Image* image, float left, float top, float right, float bottom, Color color,
                    int thickness);

// `text` on a filled field of `color`, its lower left corner at (left, bottom), moved inside the picture
// where it would stick out. Glyphs are 5 x 7 pixels, each `scale` pixels large; black or white, whichever
// reads better. Characters outside of printable ASCII show as '?'.
void draw_label(Image* image, float left, float bottom, std::string_view text, Color color, int scale);

// Line width and glyph size that suit a picture of this size: 1 at 500 pixels, and in proportion.
int drawing_scale(const Image& image);

}  // namespace assay
