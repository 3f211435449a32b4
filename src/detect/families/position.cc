#include "detect/families/position.h"

#include <cmath>
#include <cstddef>
#include <numbers>

namespace assay::detect {

std::vector<float> sine_positions(int height, int width, int channels, double offset, double temperature) {
  // What transformers adds to the extent against a division by 0; it moves the last digits.
  constexpr double kEpsilon = 1e-6;
  const int half = channels / 2;
  const auto angle = [&](int at, int extent, int channel) {
    const double position = (at + 1 + offset) / (extent + kEpsilon) * 2.0 * std::numbers::pi;
    return position / std::pow(temperature, 2.0 * (channel / 2) / half);
  };
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
                 static_cast<std::size_t>(channels));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const double value = c < half ? angle(y, height, c) : angle(x, width, c - half);
        result.push_back(static_cast<float>(c % 2 == 0 ? std::sin(value) : std::cos(value)));
      }
    }
  }
  return result;
}

std::vector<float> unscaled_sine_positions(int height, int width, int channels, double temperature) {
  const int quarter = channels / 4;
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
                 static_cast<std::size_t>(channels));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const double angle =
            (c < 2 * quarter ? y : x) / std::pow(temperature, static_cast<double>(c % quarter) / quarter);
        result.push_back(static_cast<float>(c / quarter % 2 == 0 ? std::sin(angle) : std::cos(angle)));
      }
    }
  }
  return result;
}

}  // namespace assay::detect
