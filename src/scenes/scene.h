// Pictures with known objects on them, drawn from a seed: textured background, clutter, objects of ten
// categories that cover each other and stick out of the picture, light, blur and noise.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/image.h"
#include "scenes/shape.h"

namespace assay::scenes {

struct Size {
  int width = 256, height = 256;
};
inline constexpr int kMaxObjects = 12;
inline constexpr int kMinSide = 64, kMaxSide = 4096;

struct SceneObject {
  Category category;
  // The smallest box around the pixels that can be seen of the object: [left, right) x [top, bottom).
  int left, top, right, bottom;
  int visible_pixels;       // that can be seen, of those it covers by half or more
  double visible_fraction;  // of the pixels it would have with nothing in front and no edge of the picture
};

// Of every object at least this much can be seen; what would hide more of another one is not put there.
inline constexpr double kMinVisibleFraction = 0.3;

struct Scene {
  Image image;
  std::vector<SceneObject> objects;  // 1 to kMaxObjects, from the back to the front
};

// Scene `index` of the sequence `seed`. A pure function: the same arguments give the same bytes on every
// machine (it computes with +, -, *, / and sqrt alone). Objects are in proportion to the shorter side; at 256
// pixels they measure 11 to 230 (a squeezed one's shorter side is 0.7 of the longer). Thread safe. Errors:
// kInvalidArgument: a side outside of [kMinSide, kMaxSide].
Result<Scene> draw_scene(std::uint64_t seed, std::uint64_t index, Size size);

}  // namespace assay::scenes
