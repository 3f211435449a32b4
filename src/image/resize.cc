#include "image/resize.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace assay {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;  // Pillow: 8 for the result, 2 for overshoot of the bicubic

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// For each target position the first source position and the weights, `taps` apart in `weights`.
struct Coefficients {
  struct Window {
    int first;
    int count;
  };
  int taps = 0;
  std::vector<Window> windows;
  std::vector<int> weights;
};

Coefficients pillow_coefficients(int in_size, int out_size, double support, double (*filter)(double)) {
  const double scale = static_cast<double>(in_size) / out_size;
  const double filter_scale = std::max(1.0, scale);
  support *= filter_scale;
  const double inverse = 1.0 / filter_scale;
  Coefficients result;
  result.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  result.windows.resize(static_cast<std::size_t>(out_size));
  result.weights.resize(static_cast<std::size_t>(out_size) * static_cast<std::size_t>(result.taps));
  std::vector<double> exact(static_cast<std::size_t>(result.taps));
  for (int out = 0; out < out_size; ++out) {
    const double center = (out + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int count = std::min(in_size, static_cast<int>(center + support + 0.5)) - first;
    double sum = 0.0;
    for (int i = 0; i < count; ++i) {
      exact[static_cast<std::size_t>(i)] = filter((i + first - center + 0.5) * inverse);
      sum += exact[static_cast<std::size_t>(i)];
    }
    int* weights =
        result.weights.data() + static_cast<std::size_t>(out) * static_cast<std::size_t>(result.taps);
    for (int i = 0; i < count; ++i) {
      const double weight =
          sum != 0.0 ? exact[static_cast<std::size_t>(i)] / sum : exact[static_cast<std::size_t>(i)];
      weights[i] = static_cast<int>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
    }
    result.windows[static_cast<std::size_t>(out)] = {first, count};
  }
  return result;
}

std::uint8_t clip8(int value) {
  return static_cast<std::uint8_t>(std::clamp(value >> kPrecisionBits, 0, 255));
}

constexpr int kHalf = 1 << (kPrecisionBits - 1);

Image pillow_horizontal(const Image& image, int width, const Coefficients& coefficients) {
  Image result(width, image.height);
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* out = result.row(y);
    const int* weights = coefficients.weights.data();
    for (const auto& window : coefficients.windows) {
      const std::uint8_t* in = image.row(y) + static_cast<std::size_t>(window.first) * 3;
      int red = kHalf, green = kHalf, blue = kHalf;
      for (int i = 0; i < window.count; ++i, in += 3) {
        red += in[0] * weights[i];
        green += in[1] * weights[i];
        blue += in[2] * weights[i];
      }
      out[0] = clip8(red);
      out[1] = clip8(green);
      out[2] = clip8(blue);
      out += 3;
      weights += coefficients.taps;
    }
  }
  return result;
}

Image pillow_vertical(const Image& image, int height, const Coefficients& coefficients) {
  Image result(image.width, height);
  std::vector<int> sums(image.row_bytes());
  for (int y = 0; y < height; ++y) {
    const auto window = coefficients.windows[static_cast<std::size_t>(y)];
    const int* weights = coefficients.weights.data() +
                         static_cast<std::size_t>(y) * static_cast<std::size_t>(coefficients.taps);
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int i = 0; i < window.count; ++i) {
      const std::uint8_t* in = image.row(window.first + i);
      for (std::size_t x = 0; x < sums.size(); ++x) sums[x] += in[x] * weights[i];
    }
    std::transform(sums.begin(), sums.end(), result.row(y), clip8);
  }
  return result;
}

Image pillow_filtered(const Image& image, int width, int height, double support, double (*filter)(double)) {
  // Each pass rounds to 8 bits, and a pass that changes nothing is left out: both show in the result, and so does
  // their order. Pillow 13 begins with the rows where that leaves less for the other pass.
  if (width > image.width && height < image.height) {
    const Image rows =
        pillow_vertical(image, height, pillow_coefficients(image.height, height, support, filter));
    return pillow_horizontal(rows, width, pillow_coefficients(image.width, width, support, filter));
  }
  Image result =
      width == image.width
          ? image
          : pillow_horizontal(image, width, pillow_coefficients(image.width, width, support, filter));
  if (height == image.height) return result;
  return pillow_vertical(result, height, pillow_coefficients(image.height, height, support, filter));
}

// Source positions of Pillow's nearest: a running sum, whose rounding decides ties.
std::vector<int> nearest_positions(int in_size, int out_size) {
  const double step = static_cast<double>(in_size) / out_size;
  std::vector<int> positions(static_cast<std::size_t>(out_size));
  double at = step * 0.5;
  for (int& position : positions) {
    position = std::min(in_size - 1, static_cast<int>(at));
    at += step;
  }
  return positions;
}

Image pillow_nearest(const Image& image, int width, int height) {
  const std::vector<int> columns = nearest_positions(image.width, width);
  const std::vector<int> rows = nearest_positions(image.height, height);
  Image result(width, height);
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* in = image.row(rows[static_cast<std::size_t>(y)]);
    std::uint8_t* out = result.row(y);
    for (const int column : columns) out = std::copy_n(in + static_cast<std::size_t>(column) * 3, 3, out);
  }
  return result;
}

// OpenCV's fixed-point linear interpolation.
constexpr int kOne = 1 << 11;

struct LinearTap {
  int low, high;                // source positions, inside of the picture
  int low_weight, high_weight;  // of kOne
};

// `clamp_weight`: across a row the weight at the border becomes exactly 1, down a column only the position is
// clamped.
std::vector<LinearTap> linear_taps(int in_size, int out_size, bool clamp_weight) {
  const double scale = 1.0 / (static_cast<double>(out_size) / in_size);
  std::vector<LinearTap> taps(static_cast<std::size_t>(out_size));
  for (int out = 0; out < out_size; ++out) {
    float fraction = static_cast<float>((out + 0.5) * scale - 0.5);
    int low = static_cast<int>(std::floor(fraction));
    fraction -= static_cast<float>(low);
    if (clamp_weight && low < 0) fraction = 0.0f, low = 0;
    if (clamp_weight && low >= in_size - 1) fraction = 0.0f, low = in_size - 1;
    taps[static_cast<std::size_t>(out)] = {std::clamp(low, 0, in_size - 1),
                                           std::clamp(low + 1, 0, in_size - 1),
                                           static_cast<int>(std::lrintf((1.0f - fraction) * kOne)),
                                           static_cast<int>(std::lrintf(fraction * kOne))};
  }
  return taps;
}

void linear_row(const std::uint8_t* in, const std::vector<LinearTap>& taps, int* out) {
  for (const LinearTap& tap : taps) {
    for (int c = 0; c < 3; ++c)
      *out++ = in[tap.low * 3 + c] * tap.low_weight + in[tap.high * 3 + c] * tap.high_weight;
  }
}

Image opencv_halved(const Image& image) {
  Image result(image.width / 2, image.height / 2);
  for (int y = 0; y < result.height; ++y) {
    const std::uint8_t* above = image.row(2 * y);
    const std::uint8_t* below = image.row(2 * y + 1);
    std::uint8_t* out = result.row(y);
    for (int x = 0; x < result.width * 3; ++x) {
      const int at = x / 3 * 6 + x % 3;
      out[x] = static_cast<std::uint8_t>((above[at] + above[at + 3] + below[at] + below[at + 3] + 2) >> 2);
    }
  }
  return result;
}

Image opencv_linear(const Image& image, int width, int height) {
  if (image.width == 2 * width && image.height == 2 * height) return opencv_halved(image);
  const std::vector<LinearTap> columns = linear_taps(image.width, width, true);
  const std::vector<LinearTap> rows = linear_taps(image.height, height, false);
  Image result(width, height);
  const auto row_values = static_cast<std::size_t>(width) * 3;
  std::vector<int> upper(row_values), lower(row_values);
  int upper_row = -1, lower_row = -1;
  for (int y = 0; y < height; ++y) {
    const LinearTap tap = rows[static_cast<std::size_t>(y)];
    if (tap.low == lower_row) std::swap(upper, lower), std::swap(upper_row, lower_row);
    if (tap.low != upper_row) linear_row(image.row(tap.low), columns, upper.data()), upper_row = tap.low;
    if (tap.high != lower_row) linear_row(image.row(tap.high), columns, lower.data()), lower_row = tap.high;
    std::uint8_t* out = result.row(y);
    for (std::size_t x = 0; x < row_values; ++x) {
      const int sum =
          ((tap.low_weight * (upper[x] >> 4)) >> 16) + ((tap.high_weight * (lower[x] >> 4)) >> 16);
      out[x] = static_cast<std::uint8_t>((sum + 2) >> 2);
    }
  }
  return result;
}

}  // namespace

Image resize(const Image& image, int width, int height, ResizeKind kind) {
  ASSAY_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0);
  if (width == image.width && height == image.height) return image;
  switch (kind) {
    case ResizeKind::kPillowNearest:
      return pillow_nearest(image, width, height);
    case ResizeKind::kPillowBilinear:
      return pillow_filtered(image, width, height, 1.0, triangle);
    case ResizeKind::kPillowBicubic:
      return pillow_filtered(image, width, height, 2.0, cubic);
    case ResizeKind::kOpenCvLinear:
      return opencv_linear(image, width, height);
  }
  return image;
}

}  // namespace assay
