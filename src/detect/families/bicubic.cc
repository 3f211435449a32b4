#include "detect/families/bicubic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace assay::detect {
namespace {

constexpr double kA = -0.75;

struct Taps {
  std::array<std::size_t, 4> at;
  std::array<double, 4> weights;
};

// The kernel up to a distance of 1, and from there to 2.
double near(double x) { return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0; }
double far(double x) { return ((x - 5.0) * x + 8.0) * x * kA - 4.0 * kA; }

// Where element `to` of `out` lies among `in`.
Taps taps_of(int to, int in, int out) {
  const double position = (to + 0.5) * (static_cast<double>(in) / out) - 0.5;
  const double base = std::floor(position), t = position - base;
  Taps taps{{}, {far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)}};
  for (int i = 0; i < 4; ++i)
    taps.at[static_cast<std::size_t>(i)] =
        static_cast<std::size_t>(std::clamp(static_cast<int>(base) + i - 1, 0, in - 1));
  return taps;
}

}  // namespace

std::vector<float> resize_bicubic(const std::vector<float>& values, int height, int width, int channels,
                                  int to_height, int to_width) {
  const auto depth = static_cast<std::size_t>(channels);
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(to_height) * static_cast<std::size_t>(to_width) * depth);
  for (int y = 0; y < to_height; ++y) {
    const Taps rows = taps_of(y, height, to_height);
    for (int x = 0; x < to_width; ++x) {
      const Taps columns = taps_of(x, width, to_width);
      for (std::size_t c = 0; c < depth; ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < 4; ++i) {
          for (std::size_t j = 0; j < 4; ++j)
            sum += rows.weights[i] * columns.weights[j] *
                   values[(rows.at[i] * static_cast<std::size_t>(width) + columns.at[j]) * depth + c];
        }
        result.push_back(static_cast<float>(sum));
      }
    }
  }
  return result;
}

}  // namespace assay::detect
