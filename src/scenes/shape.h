// What the objects of a drawn scene look like: one category each, as signed distances and colours in the
// object's own coordinates, where it fills about [-1, 1] x [-1, 1] and y points down. Only +, -, *, / and
// sqrt are used, which IEEE 754 rounds alike everywhere, so that pictures are the same in every bit on every
// machine. Thread safe.
#pragma once
#include <array>
#include <string_view>

namespace assay::scenes {

struct Point {
  float x = 0, y = 0;
};

struct Rgb {
  float red = 0, green = 0, blue = 0;  // 0 to 1
};

Rgb mix(Rgb from, Rgb to, float share);

enum class Category { kBall, kRing, kCube, kStar, kHeart, kMug, kFish, kHouse, kKey, kMushroom };
inline constexpr int kCategoryCount = 10;

// By category, in the order of the enumeration.
const std::array<std::string_view, kCategoryCount>& category_names();

// Things that are in the way and belong to no category.
enum class Clutter { kRod, kTriangle, kSlab, kCrescent, kDisc };
inline constexpr int kClutterCount = 5;

// What differs between objects of one category.
struct Traits {
  std::array<float, 3> proportions{};  // each 0 to 1
};

struct Style {
  Rgb main, second, dark;
  int pattern = 0;                // 0 plain, 1 stripes, 2 dots, 3 halves
  float pattern_scale = 1;        // repetitions per unit
  Point pattern_direction{1, 0};  // of unit length
};

// Distance to the outline, negative inside; exact near the outline of most parts and of the right sign
// everywhere.
float outline(Category category, const Traits& traits, Point at);
float outline(Clutter clutter, const Traits& traits, Point at);

// The colour at a point inside. `pixels`: how many a unit is wide, for smooth borders between parts.
Rgb colour(Category category, const Traits& traits, const Style& style, Point at, float pixels);
Rgb pattern_colour(const Style& style, Point at, float pixels);

}  // namespace assay::scenes
