#include "detect/families/position.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>

#include "detect/graph/fold.h"

namespace assay::detect {
namespace {

constexpr double kTemperature = 10000.0;
// What transformers adds to the extent against a division by 0; it moves the last digits.
constexpr double kEpsilon = 1e-6;

// For each place of a grid, row by row, and each channel the sine of angle(y, x, channel), or its cosine.
template <typename Angle, typename IsCosine>
std::vector<float> waves(int height, int width, int channels, Angle angle, IsCosine is_cosine) {
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
                 static_cast<std::size_t>(channels));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const double at = angle(y, x, c);
        result.push_back(static_cast<float>(is_cosine(c) ? std::cos(at) : std::sin(at)));
      }
    }
  }
  return result;
}

}  // namespace

std::vector<float> sine_positions(int height, int width, int channels, double offset, double temperature) {
  const int half = channels / 2;
  const auto angle = [&](int at, int extent, int channel) {
    const double position = (at + 1 + offset) / (extent + kEpsilon) * 2.0 * std::numbers::pi;
    return position / std::pow(temperature, 2.0 * (channel / 2) / half);
  };
  return waves(
      height, width, channels,
      [&](int y, int x, int c) { return c < half ? angle(y, height, c) : angle(x, width, c - half); },
      [](int c) { return c % 2 != 0; });
}

Value sine_features(GraphBuilder& graph, Value x, int features) {
  const int rows = graph.extent(x, 0), columns = graph.extent(x, 1);
  std::vector<float> frequencies, phases;
  for (int i = 0; i < features; ++i) {
    frequencies.push_back(
        static_cast<float>(2.0 * std::numbers::pi / std::pow(kTemperature, 2.0 * (i / 2) / features)));
    phases.push_back(i % 2 == 0 ? 0.0f : static_cast<float>(std::numbers::pi / 2));
  }
  // A cosine is a sine a quarter of a turn later: one operator for both.
  const Value angles =
      graph.mul(graph.reshape(x, {rows, columns, 1}), graph.constant({1, 1, features}, frequencies));
  const Value turned = graph.add(angles, graph.constant({1, 1, features}, phases));
  return graph.reshape(graph.unary(tflite::Op::kSin, turned), {rows, columns * features});
}

FeatureGrid feature_grid(GraphBuilder& graph, Value features, Value pixel_mask, int channels, double offset) {
  const int height = graph.extent(features, 1), width = graph.extent(features, 2);
  graph.set_scope("positions");
  if (!pixel_mask.exists()) {
    const auto positions = sine_positions(height, width, channels, offset, kTemperature);
    return {.positions = graph.constant({height * width, channels}, positions)};
  }
  FeatureGrid grid;
  const Value picture =
      graph.reshape(pixel_mask, {1, graph.extent(pixel_mask, 1), graph.extent(pixel_mask, 2), 1});
  const Value mask = graph.resize_nearest(picture, height, width);
  grid.mask = graph.reshape(mask, {height * width, 1});
  // As transformers has it, beyond any score: nothing bounds features before the first layer norm.
  constexpr float kFar = std::numeric_limits<float>::max();
  grid.scores = graph.reshape(graph.mul(graph.sub(mask, graph.constant(1.0f)), graph.constant(kFar)),
                              {1, 1, height * width});
  // As the padding is right and below, the first column tells about all of them, as does the first row.
  const Value first_column = graph.reshape(graph.slice(mask, {0, 0, 0, 0}, {1, height, 1, 1}), {height, 1});
  const Value first_row = graph.reshape(graph.slice(mask, {0, 0, 0, 0}, {1, 1, width, 1}), {width, 1});
  grid.rows = graph.reduce(tflite::Op::kSum, first_column, 0);
  grid.columns = graph.reduce(tflite::Op::kSum, first_row, 0);
  const auto embedded = [&](Value line, Value extent) {
    Value at = graph.cumsum(line, 0);
    if (offset != 0.0) at = graph.add(at, graph.constant(static_cast<float>(offset)));
    const Value scaled = graph.div(at, graph.add(extent, graph.constant(static_cast<float>(kEpsilon))));
    return sine_features(graph, scaled, channels / 2);
  };
  // Multiplication by ones repeats a row or a column over the grid.
  const auto repeated = [&](Value x, const Shape& shape, const Shape& ones) {
    return graph.mul(graph.reshape(x, shape),
                     graph.constant(ones, std::vector<float>(element_count(ones), 1.0f)));
  };
  const Value of_rows = repeated(embedded(first_column, grid.rows), {height, 1, channels / 2}, {1, width, 1});
  const Value of_columns =
      repeated(embedded(first_row, grid.columns), {1, width, channels / 2}, {height, 1, 1});
  grid.positions = graph.reshape(graph.concat({of_rows, of_columns}, 2), {height * width, channels});
  return grid;
}

std::vector<float> unscaled_sine_positions(int height, int width, int channels, double temperature) {
  const int quarter = channels / 4;
  return waves(
      height, width, channels,
      [&](int y, int x, int c) {
        return (c < 2 * quarter ? y : x) / std::pow(temperature, static_cast<double>(c % quarter) / quarter);
      },
      [&](int c) { return c / quarter % 2 != 0; });
}

}  // namespace assay::detect
