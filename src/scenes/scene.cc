#include "scenes/scene.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "scenes/background.h"

namespace assay::scenes {
namespace {

constexpr int kNobody = -1;
constexpr int kMinVisiblePixels = 40;
constexpr int kTries = 8;

struct Pose {
  Point centre;
  Point along;  // where the object's x axis points, of unit length
  float half_width, half_height;
  bool mirrored = false;
};

struct Thing {
  std::optional<Category> category;
  Clutter clutter{};
  Traits traits;
  Style style;
  Pose pose;

  float pixels() const { return std::min(pose.half_width, pose.half_height); }
  Point local(float x, float y) const {
    const float dx = x - pose.centre.x, dy = y - pose.centre.y;
    const float x_here = (dx * pose.along.x + dy * pose.along.y) / pose.half_width;
    return {pose.mirrored ? -x_here : x_here, (dy * pose.along.x - dx * pose.along.y) / pose.half_height};
  }
  float distance(float x, float y) const {
    const Point p = local(x, y);
    return (category ? outline(*category, traits, p) : outline(clutter, traits, p)) * pixels();
  }
};

// Distances in pixels over a rectangle that contains the whole thing, whether or not the picture does.
struct Field {
  int left, top, width, height;
  std::vector<float> distance;

  float at(int x, int y) const {
    if (x < left || y < top || x >= left + width || y >= top + height) return 1e6f;
    return distance[static_cast<std::size_t>(y - top) * width + (x - left)];
  }
};

Field measure(const Thing& thing) {
  const Pose& pose = thing.pose;
  const float reach_x =
      1.05f * (std::fabs(pose.along.x) * pose.half_width + std::fabs(pose.along.y) * pose.half_height) + 1;
  const float reach_y =
      1.05f * (std::fabs(pose.along.y) * pose.half_width + std::fabs(pose.along.x) * pose.half_height) + 1;
  Field field;
  field.left = static_cast<int>(std::floor(pose.centre.x - reach_x));
  field.top = static_cast<int>(std::floor(pose.centre.y - reach_y));
  field.width = static_cast<int>(2 * reach_x) + 2;
  field.height = static_cast<int>(2 * reach_y) + 2;
  field.distance.resize(static_cast<std::size_t>(field.width) * field.height);
  std::size_t next = 0;
  for (int y = 0; y < field.height; ++y) {
    for (int x = 0; x < field.width; ++x) {
      field.distance[next++] =
          thing.distance(static_cast<float>(field.left + x) + 0.5f, static_cast<float>(field.top + y) + 0.5f);
    }
  }
  return field;
}

class Painter {
 public:
  Painter(Rng* rng, Size size)
      : rng_(*rng),
        size_(size),
        unit_(static_cast<float>(std::min(size.width, size.height)) / 256),
        canvas_{size.width, size.height,
                std::vector<Rgb>(static_cast<std::size_t>(size.width) * size.height)},
        owner_(canvas_.pixels.size(), kNobody) {}

  Scene paint() {
    draw_background(&rng_, unit_, &canvas_);
    shadow_ = rng_.below(3) == 0 ? 0 : between(&rng_, 0.15f, 0.5f);
    const Point light = random_direction(&rng_);
    const float throw_of_shadow = unit_ * between(&rng_, 2, 6);
    shadow_x_ = static_cast<int>(light.x * throw_of_shadow);
    shadow_y_ = static_cast<int>(light.y * throw_of_shadow);
    const int objects = 2 + static_cast<int>(rng_.below(kMaxObjects - 1));
    std::vector<float> sizes(objects);
    for (float& s : sizes) s = random_extent();
    // Large things mostly stand behind: else little would be left of the small.
    std::sort(sizes.begin(), sizes.end(), [](float a, float b) { return a > b; });
    for (const float extent : sizes) {
      if (rng_.below(3) == 0) place(random_clutter());
      place(random_object(extent));
    }
    // A picture without an object would say nothing: one more, until it fits.
    while (things_.empty()) place(random_object(unit_ * 40));
    if (rng_.below(2) == 0) place(random_clutter());
    return finish();
  }

 private:
  // The longer side, in pixels, so that the three ranges of COCO's sizes all occur.
  float random_extent() {
    const auto kind = rng_.below(20);
    if (kind < 6) return unit_ * between(&rng_, 16, 36);
    if (kind < 13) return unit_ * between(&rng_, 36, 110);
    return unit_ * between(&rng_, 110, 230);
  }

  Pose random_pose(float extent, float tilt) {
    Pose pose;
    pose.centre = {between(&rng_, 0.02f, 0.98f) * static_cast<float>(size_.width),
                   between(&rng_, 0.02f, 0.98f) * static_cast<float>(size_.height)};
    // An angle by the tangent of its half, which needs no cosine.
    const float h = between(&rng_, -tilt, tilt);
    pose.along = {(1 - h * h) / (1 + h * h), 2 * h / (1 + h * h)};
    const float squeeze = between(&rng_, 0.7f, 1.0f);
    const bool wide = rng_.below(2) == 0;
    pose.half_width = extent * 0.5f * (wide ? 1 : squeeze);
    pose.half_height = extent * 0.5f * (wide ? squeeze : 1);
    return pose;
  }

  Style random_style() {
    Style style;
    style.main = random_colour(&rng_, {0.25f, 1.0f}, {0.35f, 1.0f});
    style.second = random_colour(&rng_, {0, 0.9f}, {0.3f, 1.0f});
    style.dark = mix(style.main, {0.04f, 0.04f, 0.06f}, 0.7f);
    style.pattern = rng_.below(2) == 0 ? 0 : 1 + static_cast<int>(rng_.below(3));
    style.pattern_scale = between(&rng_, 1.2f, 3.5f);
    style.pattern_direction = random_direction(&rng_);
    return style;
  }

  Thing random_object(float extent) {
    Thing thing;
    thing.category = static_cast<Category>(rng_.below(kCategoryCount));
    for (float& t : thing.traits.proportions) t = between(&rng_, 0, 1);
    thing.style = random_style();
    const Category c = *thing.category;
    const bool upright =
        c == Category::kMug || c == Category::kHouse || c == Category::kMushroom || c == Category::kCube;
    thing.pose = random_pose(extent, upright ? 0.15f : 0.7f);
    thing.pose.mirrored = rng_.below(2) == 0;
    if (!upright && rng_.below(3) == 0) thing.pose.along = {-thing.pose.along.y, thing.pose.along.x};
    return thing;
  }

  Thing random_clutter() {
    Thing thing;
    thing.clutter = static_cast<Clutter>(rng_.below(kClutterCount));
    for (float& t : thing.traits.proportions) t = between(&rng_, 0, 1);
    thing.style = random_style();
    thing.pose = random_pose(unit_ * between(&rng_, 16, thing.clutter == Clutter::kRod ? 200 : 90), 1);
    return thing;
  }

  // Draws a thing if enough remains to be seen of it and of all others; otherwise tries other places.
  void place(Thing thing) {
    for (int i = 0; i < kTries; ++i) {
      if (i > 0) {
        thing.pose.centre = {between(&rng_, 0.02f, 0.98f) * static_cast<float>(size_.width),
                             between(&rng_, 0.02f, 0.98f) * static_cast<float>(size_.height)};
      }
      const Field field = measure(thing);
      if (try_claim(thing, field)) {
        draw(thing, field);
        return;
      }
    }
  }

  struct Placed {
    Category category;
    int whole;
    int visible;
  };

  static bool enough(std::int64_t visible, std::int64_t whole) {
    return visible >= kMinVisiblePixels &&
           static_cast<double>(visible) >= kMinVisibleFraction * static_cast<double>(whole);
  }

  template <typename Visit>  // with the index of each pixel inside of the picture that the thing covers by
                             // half
  void for_covered(const Field& field, Visit visit) const {
    for (int y = std::max(field.top, 0); y < std::min(field.top + field.height, size_.height); ++y) {
      for (int x = std::max(field.left, 0); x < std::min(field.left + field.width, size_.width); ++x) {
        if (field.at(x, y) <= 0) visit(static_cast<std::size_t>(y) * size_.width + x);
      }
    }
  }

  bool try_claim(const Thing& thing, const Field& field) {
    const auto whole =
        std::count_if(field.distance.begin(), field.distance.end(), [](float d) { return d <= 0; });
    std::vector<int> hidden(things_.size());
    int visible = 0;
    for_covered(field, [&](std::size_t i) {
      ++visible;
      if (owner_[i] != kNobody) ++hidden[owner_[i]];
    });
    if (thing.category && !enough(visible, whole)) return false;
    for (std::size_t i = 0; i < things_.size(); ++i) {
      if (hidden[i] > 0 && !enough(things_[i].visible - hidden[i], things_[i].whole)) return false;
    }
    for (std::size_t i = 0; i < things_.size(); ++i) things_[i].visible -= hidden[i];
    const int owner = thing.category ? static_cast<int>(things_.size()) : kNobody;
    for_covered(field, [&](std::size_t i) { owner_[i] = owner; });
    if (thing.category) things_.push_back({*thing.category, static_cast<int>(whole), visible});
    return true;
  }

  void draw(const Thing& thing, const Field& field) {
    if (shadow_ > 0) draw_shadow(field);
    const float pixels = thing.pixels();
    for (int y = std::max(field.top, 0); y < std::min(field.top + field.height, size_.height); ++y) {
      for (int x = std::max(field.left, 0); x < std::min(field.left + field.width, size_.width); ++x) {
        const float distance = field.at(x, y);
        if (distance >= 0.5f) continue;
        const Point p = thing.local(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f);
        const Rgb ink = thing.category ? colour(*thing.category, thing.traits, thing.style, p, pixels)
                                       : pattern_colour(thing.style, p, pixels);
        Rgb& pixel = canvas_.at(x, y);
        pixel = mix(pixel, ink, std::min(0.5f - distance, 1.0f));
      }
    }
  }

  void draw_shadow(const Field& field) {
    const float softness = 3 * unit_;
    const int left = std::max(field.left + shadow_x_, 0), top = std::max(field.top + shadow_y_, 0);
    const int right = std::min(field.left + field.width + shadow_x_, size_.width);
    const int bottom = std::min(field.top + field.height + shadow_y_, size_.height);
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x) {
        const float depth = std::clamp(0.5f - field.at(x - shadow_x_, y - shadow_y_) / softness, 0.0f, 1.0f);
        Rgb& pixel = canvas_.at(x, y);
        pixel = mix(pixel, {0.02f, 0.02f, 0.04f}, depth * shadow_);
      }
    }
  }

  Scene finish() {
    Scene scene;
    scene.image.width = size_.width;
    scene.image.height = size_.height;
    for (const Placed& placed : things_) {
      scene.objects.push_back({placed.category, size_.width, size_.height, 0, 0, 0,
                               static_cast<double>(placed.visible) / placed.whole});
    }
    for (int y = 0; y < size_.height; ++y) {
      for (int x = 0; x < size_.width; ++x) {
        const int owner = owner_[static_cast<std::size_t>(y) * size_.width + x];
        if (owner == kNobody) continue;
        SceneObject& object = scene.objects[owner];
        object.left = std::min(object.left, x);
        object.top = std::min(object.top, y);
        object.right = std::max(object.right, x + 1);
        object.bottom = std::max(object.bottom, y + 1);
        ++object.visible_pixels;
      }
    }
    scene.image.rgb = photograph(&rng_, std::move(canvas_));
    return scene;
  }

  Rng& rng_;
  const Size size_;
  const float unit_;
  Canvas canvas_;
  std::vector<int> owner_;  // by pixel: the object that can be seen there
  std::vector<Placed> things_;
  float shadow_ = 0;
  int shadow_x_ = 0, shadow_y_ = 0;
};

}  // namespace

Result<Scene> draw_scene(std::uint64_t seed, std::uint64_t index, Size size) {
  for (const int side : {size.width, size.height}) {
    if (side < kMinSide || side > kMaxSide) {
      return Error{ErrorCode::kInvalidArgument, "a scene's sides must be " + std::to_string(kMinSide) +
                                                    " to " + std::to_string(kMaxSide) + " pixels, not " +
                                                    std::to_string(side)};
    }
  }
  // Each index starts a generator of its own, so that scenes can be drawn in any order.
  const std::uint64_t start = Rng(seed).next() ^ Rng(~index).next();
  Rng rng(start);
  return Painter(&rng, size).paint();
}

}  // namespace assay::scenes
