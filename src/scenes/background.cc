#include "scenes/background.h"

#include <algorithm>
#include <cmath>

namespace assay::scenes {
namespace {

// A hash of a lattice point, 0 to 1 (Murmur's finalizer).
float lattice(std::uint64_t seed, int x, int y) {
  std::uint64_t h = seed ^ (static_cast<std::uint64_t>(static_cast<std::uint32_t>(x)) << 32 |
                            static_cast<std::uint32_t>(y));
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return static_cast<float>(h >> 40) * 0x1.0p-24f;
}

// Adds `strength` times value noise, whose cells are `cell_x` by `cell_y` pixels, to `field`.
void add_noise(std::uint64_t seed, float cell_x, float cell_y, float strength, const Canvas& canvas,
               std::vector<float>* field) {
  const int columns = static_cast<int>(static_cast<float>(canvas.width) / cell_x) + 2;
  std::vector<float> upper(columns), lower(columns);
  int row_of_lattice = -1;
  for (int y = 0; y < canvas.height; ++y) {
    const float fy = static_cast<float>(y) / cell_y;
    const int iy = static_cast<int>(fy);
    if (iy != row_of_lattice) {
      for (int x = 0; x < columns; ++x) {
        upper[x] = lattice(seed, x, iy);
        lower[x] = lattice(seed, x, iy + 1);
      }
      row_of_lattice = iy;
    }
    float ty = fy - static_cast<float>(iy);
    ty = ty * ty * (3 - 2 * ty);
    float* out = field->data() + static_cast<std::size_t>(y) * canvas.width;
    for (int x = 0; x < canvas.width; ++x) {
      const float fx = static_cast<float>(x) / cell_x;
      const int ix = static_cast<int>(fx);
      float tx = fx - static_cast<float>(ix);
      tx = tx * tx * (3 - 2 * tx);
      const float left = upper[ix] + (lower[ix] - upper[ix]) * ty;
      const float right = upper[ix + 1] + (lower[ix + 1] - upper[ix + 1]) * ty;
      out[x] += strength * (left + (right - left) * tx - 0.5f);
    }
  }
}

void blur(Canvas* canvas) {
  const Canvas before = *canvas;
  const auto pixel = [&](int x, int y) {
    return before.pixels[static_cast<std::size_t>(std::clamp(y, 0, before.height - 1)) * before.width +
                         std::clamp(x, 0, before.width - 1)];
  };
  constexpr float kWeights[3] = {0.25f, 0.5f, 0.25f};
  for (int y = 0; y < canvas->height; ++y) {
    for (int x = 0; x < canvas->width; ++x) {
      Rgb sum;
      for (int j = -1; j <= 1; ++j) {
        for (int i = -1; i <= 1; ++i) {
          const Rgb p = pixel(x + i, y + j);
          const float w = kWeights[i + 1] * kWeights[j + 1];
          sum = {sum.red + w * p.red, sum.green + w * p.green, sum.blue + w * p.blue};
        }
      }
      canvas->at(x, y) = sum;
    }
  }
}

}  // namespace

float between(Rng* rng, float low, float high) {
  // 24 bits, so that the conversion to float is exact.
  return low + (high - low) * (static_cast<float>(rng->next() >> 40) * 0x1.0p-24f);
}

Rgb random_colour(Rng* rng, Range saturation_range, Range value_range) {
  const float value = between(rng, value_range.low, value_range.high);
  const float saturation = between(rng, saturation_range.low, saturation_range.high);
  const float hue = between(rng, 0, 6);
  const float low = value * (1 - saturation);
  const auto ramp = [&](float offset) {
    float h = hue + offset;
    if (h >= 6) h -= 6;
    const float k = std::clamp(std::fabs(h - 3) - 1, 0.0f, 1.0f);
    return low + (value - low) * k;
  };
  return {ramp(0), ramp(4), ramp(2)};
}

Point random_direction(Rng* rng) {
  for (;;) {
    const float x = between(rng, -1, 1), y = between(rng, -1, 1);
    const float square = x * x + y * y;
    if (square > 0.01f && square <= 1) {
      const float scale = 1 / std::sqrt(square);
      return {x * scale, y * scale};
    }
  }
}

void draw_background(Rng* rng, float unit, Canvas* canvas) {
  const Rgb from = random_colour(rng, {0, 0.6f}, {0.25f, 0.95f});
  const Rgb to = random_colour(rng, {0, 0.6f}, {0.25f, 0.95f});
  const Rgb tint = random_colour(rng, {0, 0.7f}, {0.1f, 1.0f});
  const Point slope = random_direction(rng);
  std::vector<float> texture(canvas->pixels.size());
  const float coarse = unit * between(rng, 40, 110), middle = unit * between(rng, 12, 30);
  const float stretch = rng->below(3) == 0 ? between(rng, 3, 8) : 1;  // grain, as of wood
  const float strength = between(rng, 0.2f, 1.1f);
  add_noise(rng->next(), coarse, coarse, strength, *canvas, &texture);
  add_noise(rng->next(), middle * stretch, middle, strength * 0.6f, *canvas, &texture);
  add_noise(rng->next(), middle * 0.3f * stretch, middle * 0.3f, strength * 0.35f, *canvas, &texture);

  Style tiles;  // laid over the rest, faintly
  tiles.pattern = static_cast<int>(rng->below(5));
  tiles.main = from;
  tiles.second = tint;
  tiles.pattern_scale = 1 / (unit * between(rng, 10, 60));
  tiles.pattern_direction = random_direction(rng);
  const bool tiled = tiles.pattern == 1 || tiles.pattern == 2;
  const float tiles_share = between(rng, 0.1f, 0.5f);

  const float reach = 1 / static_cast<float>(canvas->width + canvas->height);
  for (int y = 0; y < canvas->height; ++y) {
    for (int x = 0; x < canvas->width; ++x) {
      const auto fx = static_cast<float>(x), fy = static_cast<float>(y);
      const float share = std::clamp(0.5f + 1.2f * reach *
                                                (slope.x * (fx - 0.5f * static_cast<float>(canvas->width)) +
                                                 slope.y * (fy - 0.5f * static_cast<float>(canvas->height))),
                                     0.0f, 1.0f);
      const float noise = texture[static_cast<std::size_t>(y) * canvas->width + x];
      Rgb colour = mix(from, to, share);
      if (tiled) colour = mix(colour, pattern_colour(tiles, {fx, fy}, 1), tiles_share);
      canvas->at(x, y) = mix(colour, tint, std::clamp(noise + 0.15f, 0.0f, 0.8f));
    }
  }
}

std::vector<std::uint8_t> photograph(Rng* rng, Canvas canvas) {
  const Point light = random_direction(rng);
  const float fall = between(rng, 0, 0.5f), contrast = between(rng, 0.7f, 1.1f),
              lift = between(rng, -0.05f, 0.15f);
  if (rng->below(3) == 0) blur(&canvas);
  const float grain =
      rng->below(4) == 0 ? 0 : between(rng, 2, 18);  // standard deviation about 0.3 of it, in bytes
  std::vector<std::uint8_t> bytes(canvas.pixels.size() * 3);
  const float reach = 1 / static_cast<float>(canvas.width + canvas.height);
  std::size_t next = 0;
  for (int y = 0; y < canvas.height; ++y) {
    for (int x = 0; x < canvas.width; ++x) {
      const float along = reach * (light.x * static_cast<float>(x - canvas.width / 2) +
                                   light.y * static_cast<float>(y - canvas.height / 2));
      const float gain = 255 * contrast * (1 - fall * along * 2 - fall * 0.2f);
      const Rgb p = canvas.at(x, y);
      const std::uint64_t random = rng->next();
      const auto byte = [&](float value, int shift) {
        // The difference of two uniform numbers: a triangle around 0.
        const auto a = static_cast<int>((random >> shift) & 255),
                   b = static_cast<int>((random >> (shift + 8)) & 255);
        const float noisy = value * gain + 255 * lift + grain * static_cast<float>(a - b) * (1.0f / 256);
        return static_cast<std::uint8_t>(std::clamp(noisy + 0.5f, 0.0f, 255.0f));
      };
      bytes[next++] = byte(p.red, 0);
      bytes[next++] = byte(p.green, 16);
      bytes[next++] = byte(p.blue, 32);
    }
  }
  return bytes;
}

}  // namespace assay::scenes
