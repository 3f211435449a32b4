// NanoDet and NanoDet-Plus: class scores, and for each side a distribution over distances.
// Source: nanodet/model/head/gfl_head.py, nanodet_plus_head.py, nanodet/model/module/nms.py.
#include <algorithm>
#include <array>
#include <cmath>

#include "detect/heads/candidates.h"

namespace assay::detect {
namespace {

constexpr std::size_t kBins = 8;  // reg_max 7

// The expected bin of a softmax over 8 logits.
float expected_bin(const float* logits) {
  const float largest = *std::max_element(logits, logits + kBins);
  float sum = 0.0f, weighted = 0.0f;
  for (std::size_t i = 0; i < kBins; ++i) {
    const float weight = std::exp(logits[i] - largest);
    sum += weight;
    weighted += weight * static_cast<float>(i);
  }
  return weighted / sum;
}

struct Point {
  float x, y;
  int stride;
};

std::vector<Point> points(int width, int height, std::size_t rows) {
  const auto three = std::span(kStrides).first(3);
  const bool plus = rows != static_cast<std::size_t>(grid_cells(width, height, three));
  // NanoDet takes the centers of its cells, NanoDet-Plus their corners.
  const float shift = plus ? 0.0f : 0.5f;
  std::vector<Point> result;
  for (const int stride : plus ? std::span<const int>(kStrides) : std::span<const int>(three)) {
    for (int y = 0; y < (height + stride - 1) / stride; ++y) {
      for (int x = 0; x < (width + stride - 1) / stride; ++x) {
        result.push_back({(static_cast<float>(x) + shift) * static_cast<float>(stride),
                          (static_cast<float>(y) + shift) * static_cast<float>(stride), stride});
      }
    }
  }
  return result;
}

Candidate box_of(const Point& point, const float* distribution, int width, int height) {
  std::array<float, 4> distance;  // left, top, right, bottom
  for (std::size_t side = 0; side < 4; ++side) {
    distance[side] = expected_bin(distribution + side * kBins) * static_cast<float>(point.stride);
  }
  const auto in_width = [&](float x) { return std::clamp(x, 0.0f, static_cast<float>(width)); };
  const auto in_height = [&](float y) { return std::clamp(y, 0.0f, static_cast<float>(height)); };
  return {in_width(point.x - distance[0]),
          in_height(point.y - distance[1]),
          in_width(point.x + distance[2]),
          in_height(point.y + distance[3]),
          0.0f,
          0};
}

}  // namespace

Result<std::vector<Candidate>> nanodet_candidates(const HeadInput& input) {
  const Output& output = input.outputs[0];
  const auto rows = static_cast<std::size_t>(output.info.shape[1]);
  const auto columns = static_cast<std::size_t>(output.info.shape[2]);
  const std::size_t classes = columns - 4 * kBins;
  const std::vector<Point> centers = points(input.width, input.height, rows);
  ScoreReader read(input.options);
  std::vector<Candidate> candidates;
  for (std::size_t row = 0; row < rows; ++row) {
    const float* values = output.values.data() + row * columns;
    for (std::size_t c = 0; c < classes; ++c) {
      const float score = read(values[c]);
      if (!(score > input.options.score_threshold)) continue;
      candidates.push_back(box_of(centers[row], values + classes, input.width, input.height));
      candidates.back().score = score;
      candidates.back().class_index = static_cast<int>(c);
    }
  }
  ASSAY_RETURN_IF_ERROR(read.status(output.info));
  return candidates;
}

}  // namespace assay::detect
