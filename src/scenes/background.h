// What stands behind the objects of a scene, and what a camera does to all of it. Thread safe; see shape.h
// for why every machine gives the same bits.
#pragma once
#include <vector>

#include "base/rng.h"
#include "scenes/shape.h"

namespace assay::scenes {

// Colours before they become bytes, by rows.
struct Canvas {
  int width = 0, height = 0;
  std::vector<Rgb> pixels;

  Rgb& at(int x, int y) { return pixels[static_cast<std::size_t>(y) * width + x]; }
};

struct Range {
  float low, high;
};

// A colour whose saturation and value (as in HSV, 0 to 1) lie in these ranges. The ranges come in here, not
// numbers drawn from them, because C++ leaves open which argument of a call is computed first.
Rgb random_colour(Rng* rng, Range saturation, Range value);
// A direction, each about as likely.
Point random_direction(Rng* rng);
// Uniform in [low, high).
float between(Rng* rng, float low, float high);

// Gradient, texture at several scales, sometimes stripes or tiles. `unit`: pixels that count as one (1 at 256
// pixels).
void draw_background(Rng* rng, float unit, Canvas* canvas);

// Light that falls off, sometimes blur, sometimes less contrast, and noise; then rounded to bytes.
std::vector<std::uint8_t> photograph(Rng* rng, Canvas canvas);

}  // namespace assay::scenes
