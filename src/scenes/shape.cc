#include "scenes/shape.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace assay::scenes {
namespace {

float length(Point p) { return std::sqrt(p.x * p.x + p.y * p.y); }
float dot(Point a, Point b) { return a.x * b.x + a.y * b.y; }
Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }

float circle(Point p, Point centre, float radius) { return length(p - centre) - radius; }

float box(Point p, Point centre, float half_width, float half_height) {
  const float dx = std::fabs(p.x - centre.x) - half_width, dy = std::fabs(p.y - centre.y) - half_height;
  return length({std::max(dx, 0.0f), std::max(dy, 0.0f)}) + std::min(std::max(dx, dy), 0.0f);
}

float rounded_box(Point p, Point centre, float half_width, float half_height, float radius) {
  return box(p, centre, half_width - radius, half_height - radius) - radius;
}

// First order in the distance, which is enough at the outline.
float ellipse(Point p, Point centre, float radius_x, float radius_y) {
  const Point q{(p.x - centre.x) / radius_x, (p.y - centre.y) / radius_y};
  const Point gradient{q.x / radius_x, q.y / radius_y};
  const float k = length(q), steepness = length(gradient);
  return steepness < 1e-6f ? -std::min(radius_x, radius_y) : k * (k - 1) / steepness;
}

float capsule(Point p, Point from, Point to, float radius) {
  const Point along = to - from, here = p - from;
  const float share = std::clamp(dot(here, along) / dot(along, along), 0.0f, 1.0f);
  return length({here.x - along.x * share, here.y - along.y * share}) - radius;
}

// After Quilez: the nearest edge, and the sign by crossings.
float polygon(Point p, std::span<const Point> corners) {
  float nearest = dot(p - corners[0], p - corners[0]);
  float sign = 1;
  for (std::size_t i = 0, j = corners.size() - 1; i < corners.size(); j = i++) {
    const Point edge = corners[j] - corners[i], here = p - corners[i];
    const float share = std::clamp(dot(here, edge) / dot(edge, edge), 0.0f, 1.0f);
    const Point away{here.x - edge.x * share, here.y - edge.y * share};
    nearest = std::min(nearest, dot(away, away));
    const bool below = p.y >= corners[i].y, above = p.y<corners[j].y, left = edge.x * here.y> edge.y * here.x;
    if ((below && above && left) || (!below && !above && !left)) sign = -sign;
  }
  return sign * std::sqrt(nearest);
}

// The hexagon that a cube shows corner-on, and its three rhombi. 0.866 is sqrt(3) / 2.
constexpr std::array<Point, 6> kCube{
    {{0, -1}, {0.866f, -0.5f}, {0.866f, 0.5f}, {0, 1}, {-0.866f, 0.5f}, {-0.866f, -0.5f}}};
constexpr std::array<Point, 4> kCubeTop{{{0, -1}, {0.866f, -0.5f}, {0, 0}, {-0.866f, -0.5f}}};
constexpr std::array<Point, 4> kCubeRight{{{0, 0}, {0.866f, -0.5f}, {0.866f, 0.5f}, {0, 1}}};

// Five points of a circle, from the top, and those halfway between.
constexpr std::array<Point, 5> kTips{
    {{0, -1}, {0.9511f, -0.3090f}, {0.5878f, 0.8090f}, {-0.5878f, 0.8090f}, {-0.9511f, -0.3090f}}};
constexpr std::array<Point, 5> kValleys{
    {{0.5878f, -0.8090f}, {0.9511f, 0.3090f}, {0, 1}, {-0.9511f, 0.3090f}, {-0.5878f, -0.8090f}}};

float star(Point p, float valley) {
  std::array<Point, 10> corners;
  for (std::size_t i = 0; i < 5; ++i) {
    corners[2 * i] = kTips[i];
    corners[2 * i + 1] = {kValleys[i].x * valley, kValleys[i].y * valley};
  }
  return polygon(p, corners);
}

float heart(Point p) {
  // After Quilez, whose heart stands upright on the origin and is about 1.2 wide and 1.1 high.
  const float x = std::fabs(p.x) * 0.6f, y = 0.55f - p.y * 0.57f;
  constexpr float kUnit = 1 / 0.58f;
  if (x + y > 1) return (length({x - 0.25f, y - 0.75f}) - 0.35355339f) * kUnit;
  const float half = 0.5f * std::max(x + y, 0.0f);
  const float nearest =
      std::min(dot({x, y - 1}, {x, y - 1}), dot({x - half, y - half}, {x - half, y - half}));
  return std::sqrt(nearest) * (x > y ? kUnit : -kUnit);
}

struct MugParts {
  float body, handle, opening;
};

MugParts mug(const Traits& traits, Point p) {
  const float height = 0.7f + 0.25f * traits.proportions[0];
  const Point grip{0.42f, 0};
  const float handle = std::fabs(length({(p.x - grip.x) * 0.95f, p.y - grip.y}) - 0.42f) - 0.11f;
  return {rounded_box(p, {-0.25f, 0.05f}, 0.65f, height, 0.14f), std::max(handle, grip.x - 0.05f - p.x),
          ellipse(p, {-0.25f, 0.05f - height + 0.12f}, 0.55f, 0.14f)};
}

struct FishParts {
  float body, tail, fin;
};

FishParts fish(const Traits& traits, Point p) {
  const float height = 0.42f + 0.2f * traits.proportions[0], spread = 0.4f + 0.25f * traits.proportions[1];
  const std::array<Point, 4> tail{{{0.4f, 0}, {0.98f, -spread}, {0.82f, 0}, {0.98f, spread}}};
  const std::array<Point, 3> fin{{{-0.3f, -height * 0.8f}, {0.2f, -height - 0.22f}, {0.3f, -height * 0.5f}}};
  return {ellipse(p, {-0.2f, 0}, 0.78f, height), polygon(p, tail), polygon(p, fin)};
}

struct HouseParts {
  float walls, roof, chimney;
};

HouseParts house(const Traits& traits, Point p) {
  const float eaves = -0.15f + 0.3f * traits.proportions[0], width = 0.6f + 0.2f * traits.proportions[1];
  const std::array<Point, 3> roof{{{0, -0.98f}, {width + 0.18f, eaves}, {-width - 0.18f, eaves}}};
  return {box(p, {0, (eaves + 0.95f) / 2}, width, (0.95f - eaves) / 2), polygon(p, roof),
          box(p, {width * 0.6f, -0.6f}, 0.1f, 0.28f)};
}

float key(const Traits& traits, Point p) {
  const float bow = 0.34f + 0.08f * traits.proportions[0];
  const float ring = std::max(circle(p, {-0.6f, 0}, bow), -circle(p, {-0.6f, 0}, bow - 0.2f));
  const float shaft = box(p, {0.3f, 0}, 0.68f, 0.09f);
  const float drop = 0.14f + 0.14f * traits.proportions[1];
  const float teeth = std::min(box(p, {0.88f, 0.09f + drop / 2}, 0.09f, drop / 2 + 0.05f),
                               box(p, {0.58f, 0.07f + drop / 2}, 0.09f, drop / 2));
  return std::min({ring, shaft, teeth});
}

struct MushroomParts {
  float cap, stem;
};

MushroomParts mushroom(const Traits& traits, Point p) {
  const float rim = 0.0f + 0.25f * traits.proportions[0];
  const float stem = rounded_box(p, {0, 0.45f}, 0.2f + 0.14f * traits.proportions[1], 0.52f, 0.1f);
  return {std::max(ellipse(p, {0, rim}, 0.95f, 0.95f + rim), p.y - rim - 0.1f), stem};
}

float crescent(Point p, float depth) {
  return std::max(circle(p, {0, 0}, 1), -circle(p, {0.4f + 0.4f * depth, 0}, 0.85f));
}

// Lays parts over each other at one point.
class Ink {
 public:
  Ink(Rgb ground, float pixels) : colour_(ground), pixels_(pixels) {}
  void over(float distance, Rgb colour) {
    colour_ = mix(colour_, colour, std::clamp(0.5f - distance * pixels_, 0.0f, 1.0f));
  }
  Rgb colour() const { return colour_; }

 private:
  Rgb colour_;
  float pixels_;
};

constexpr Rgb kWhite{0.96f, 0.96f, 0.94f}, kBlack{0.06f, 0.06f, 0.07f};

}  // namespace

Rgb mix(Rgb from, Rgb to, float share) {
  return {from.red + (to.red - from.red) * share, from.green + (to.green - from.green) * share,
          from.blue + (to.blue - from.blue) * share};
}

const std::array<std::string_view, kCategoryCount>& category_names() {
  static constexpr std::array<std::string_view, kCategoryCount> kNames{
      "ball", "ring", "cube", "star", "heart", "mug", "fish", "house", "key", "mushroom"};
  return kNames;
}

float outline(Category category, const Traits& traits, Point p) {
  switch (category) {
    case Category::kBall:
      return circle(p, {0, 0}, 0.98f);
    case Category::kRing: {
      const float thickness = 0.14f + 0.16f * traits.proportions[0];
      return std::fabs(length(p) - (0.98f - thickness)) - thickness;
    }
    case Category::kCube:
      return polygon(p, kCube);
    case Category::kStar:
      return star(p, 0.38f + 0.14f * traits.proportions[0]);
    case Category::kHeart:
      return heart(p);
    case Category::kMug: {
      const auto parts = mug(traits, p);
      return std::min(parts.body, parts.handle);
    }
    case Category::kFish: {
      const auto parts = fish(traits, p);
      return std::min({parts.body, parts.tail, parts.fin});
    }
    case Category::kHouse: {
      const auto parts = house(traits, p);
      return std::min({parts.walls, parts.roof, parts.chimney});
    }
    case Category::kKey:
      return key(traits, p);
    case Category::kMushroom: {
      const auto parts = mushroom(traits, p);
      return std::min(parts.cap, parts.stem);
    }
  }
  return 1;
}

float outline(Clutter clutter, const Traits& traits, Point p) {
  switch (clutter) {
    case Clutter::kRod:
      return capsule(p, {-0.9f, 0}, {0.9f, 0}, 0.05f + 0.05f * traits.proportions[0]);
    case Clutter::kTriangle: {
      const std::array<Point, 3> corners{{{-0.9f, 0.7f},
                                          {0.9f, 0.5f + 0.4f * traits.proportions[0]},
                                          {traits.proportions[1] - 0.5f, -0.9f}}};
      return polygon(p, corners);
    }
    case Clutter::kSlab:
      return rounded_box(p, {0, 0}, 0.95f, 0.3f + 0.6f * traits.proportions[0], 0.05f);
    case Clutter::kCrescent:
      return crescent(p, traits.proportions[0]);
    case Clutter::kDisc:
      return std::max(circle(p, {0, 0}, 0.95f), p.y - 0.3f * traits.proportions[0]);
  }
  return 1;
}

Rgb pattern_colour(const Style& style, Point p, float pixels) {
  if (style.pattern == 0) return style.main;
  const Point d = style.pattern_direction;
  const float along = dot(p, d);
  const float across = p.y * d.x - p.x * d.y;
  float distance;  // to where the second colour begins, in units
  if (style.pattern == 1) {
    const float phase = along * style.pattern_scale;
    distance = (std::fabs(phase - std::floor(phase) - 0.5f) - 0.25f) / style.pattern_scale;
  } else if (style.pattern == 2) {
    const float u = along * style.pattern_scale, v = across * style.pattern_scale;
    distance = (length({u - std::floor(u) - 0.5f, v - std::floor(v) - 0.5f}) - 0.27f) / style.pattern_scale;
  } else {
    distance = along;
  }
  return mix(style.main, style.second, std::clamp(0.5f - distance * pixels, 0.0f, 1.0f));
}

Rgb colour(Category category, const Traits& traits, const Style& style, Point p, float pixels) {
  Ink ink(pattern_colour(style, p, pixels), pixels);
  switch (category) {
    case Category::kBall: {
      // Darker towards the lower right, with a highlight.
      const float shade = std::clamp(0.55f + 0.35f * (dot(p, {0.7f, 0.7f})), 0.0f, 1.0f);
      Ink round(mix(ink.colour(), style.dark, shade * 0.6f), pixels);
      round.over(ellipse(p, {-0.36f, -0.4f}, 0.2f, 0.16f), kWhite);
      return round.colour();
    }
    case Category::kRing: {
      const float thickness = 0.14f + 0.16f * traits.proportions[0];
      const float bulge = (length(p) - (0.98f - thickness)) / thickness;
      return mix(ink.colour(), style.dark, std::clamp(0.5f * bulge * bulge, 0.0f, 1.0f));
    }
    case Category::kCube:
      ink.over(polygon(p, kCubeTop), mix(ink.colour(), kWhite, 0.45f));
      ink.over(polygon(p, kCubeRight), mix(ink.colour(), style.dark, 0.6f));
      return ink.colour();
    case Category::kStar:
      ink.over(star({p.x / 0.6f, p.y / 0.6f}, 0.38f + 0.14f * traits.proportions[0]) * 0.6f,
               mix(ink.colour(), kWhite, 0.35f));
      return ink.colour();
    case Category::kHeart:
      ink.over(ellipse(p, {-0.45f, -0.45f}, 0.2f, 0.14f), mix(style.main, kWhite, 0.7f));
      return ink.colour();
    case Category::kMug: {
      const auto parts = mug(traits, p);
      ink.over(std::max(parts.handle, -parts.body), style.second);
      ink.over(parts.opening, style.dark);
      return ink.colour();
    }
    case Category::kFish: {
      const auto parts = fish(traits, p);
      ink.over(std::max(std::min(parts.tail, parts.fin), -parts.body), style.second);
      ink.over(std::max(std::fabs(circle(p, {-0.85f, 0}, 0.48f)) - 0.03f, parts.body), style.dark);
      ink.over(circle(p, {-0.62f, -0.12f}, 0.13f), kWhite);
      ink.over(circle(p, {-0.65f, -0.12f}, 0.07f), kBlack);
      return ink.colour();
    }
    case Category::kHouse: {
      const auto parts = house(traits, p);
      ink.over(parts.chimney, style.dark);
      ink.over(parts.roof, style.second);
      ink.over(box(p, {-0.25f, 0.68f}, 0.15f, 0.27f), style.dark);
      ink.over(box(p, {0.3f, 0.5f}, 0.15f, 0.14f), kWhite);
      ink.over(std::max(std::min(std::fabs(p.x - 0.3f), std::fabs(p.y - 0.5f)) - 0.02f,
                        box(p, {0.3f, 0.5f}, 0.15f, 0.14f)),
               style.dark);
      return ink.colour();
    }
    case Category::kKey:
      ink.over(std::fabs(circle(p, {-0.6f, 0}, 0.3f)) - 0.03f, mix(style.main, kWhite, 0.6f));
      return ink.colour();
    case Category::kMushroom: {
      const auto parts = mushroom(traits, p);
      ink.over(std::max(parts.stem, -parts.cap), mix(kWhite, style.dark, 0.12f));
      ink.over(std::max(parts.cap, -0.02f - p.y), mix(style.main, style.dark, 0.35f));
      ink.over(circle(p, {-0.4f, -0.25f}, 0.16f), style.second);
      ink.over(circle(p, {0.1f, -0.55f}, 0.18f), style.second);
      ink.over(circle(p, {0.5f, -0.15f}, 0.14f), style.second);
      return ink.colour();
    }
  }
  return ink.colour();
}

}  // namespace assay::scenes
