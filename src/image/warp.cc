#include "image/warp.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/check.h"

namespace assay {
namespace {

constexpr int kSteps = 32;  // OpenCV's INTER_TAB_SIZE
constexpr int kWeightBits = 15;

struct Tap {
  int low;          // source position, which may lie outside
  int high_weight;  // of kSteps
};

std::vector<Tap> taps(int size, double scale, double offset) {
  std::vector<Tap> result(static_cast<std::size_t>(size));
  for (int out = 0; out < size; ++out) {
    // Far outside is outside, however far.
    const double at = std::clamp((out - offset) / scale * kSteps, -1e9, 1e9);
    const int steps = static_cast<int>(std::lrint(at));
    const int low = static_cast<int>(std::floor(static_cast<double>(steps) / kSteps));
    result[static_cast<std::size_t>(out)] = {low, steps - low * kSteps};
  }
  return result;
}

}  // namespace

Image warp(const Image& image, int width, int height, double scale, Offset offset, std::uint8_t border) {
  ASSAY_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0 && scale > 0);
  const std::vector<Tap> columns = taps(width, scale, offset.x), rows = taps(height, scale, offset.y);
  const std::array<std::uint8_t, 3> outside = {border, border, border};
  const auto pixel = [&](int x, int y) {
    const bool inside = x >= 0 && x < image.width && y >= 0 && y < image.height;
    return inside ? image.row(y) + static_cast<std::size_t>(x) * 3 : outside.data();
  };
  constexpr int kUnit = (1 << kWeightBits) / (kSteps * kSteps);
  Image result(width, height);
  for (int y = 0; y < height; ++y) {
    const Tap& row = rows[static_cast<std::size_t>(y)];
    std::uint8_t* out = result.row(y);
    for (const Tap& column : columns) {
      const std::uint8_t* corners[] = {pixel(column.low, row.low), pixel(column.low + 1, row.low),
                                       pixel(column.low, row.low + 1), pixel(column.low + 1, row.low + 1)};
      const int right = column.high_weight, left = kSteps - right;
      const int below = row.high_weight, above = kSteps - below;
      const int weights[] = {left * above * kUnit, right * above * kUnit, left * below * kUnit,
                             right * below * kUnit};
      for (std::size_t c = 0; c < 3; ++c) {
        int sum = 1 << (kWeightBits - 1);
        for (std::size_t i = 0; i < 4; ++i) sum += corners[i][c] * weights[i];
        *out++ = static_cast<std::uint8_t>(sum >> kWeightBits);
      }
    }
  }
  return result;
}

}  // namespace assay
