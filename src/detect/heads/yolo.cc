// YOLOX, YOLOv5 and YOLOv8: a table of boxes with class scores.
#include <algorithm>
#include <cmath>

#include "detect/heads/candidates.h"

namespace assay::detect {
namespace {

std::size_t extent(const Output& output, std::size_t dimension) {
  return static_cast<std::size_t>(output.info.shape[dimension]);
}

// Decoded centers are pixels all over the input; raw ones are offsets from a cell, in cells, and training
// rewards a cell only for objects within two and a half of it.
bool has_raw_centers(const Output& output) {
  constexpr float kFurthestOffset = 8.0f;
  const std::size_t columns = extent(output, 2);
  for (std::size_t row = 0; row < extent(output, 1); ++row) {
    const float* values = output.values.data() + row * columns;
    if (values[0] > kFurthestOffset || values[1] > kFurthestOffset) return false;
  }
  return true;
}

struct Cell {
  int x, y, stride;
};

// In the order of the rows: by stride, then from the top, then from the left.
std::vector<Cell> yolox_cells(int width, int height, std::size_t rows) {
  std::vector<Cell> cells;
  for (const int stride : kStrides) {
    if (cells.size() >= rows) break;
    for (int y = 0; y < (height + stride - 1) / stride; ++y) {
      for (int x = 0; x < (width + stride - 1) / stride; ++x) cells.push_back({x, y, stride});
    }
  }
  return cells;
}

struct Best {
  float score;
  int class_index;
};

Best best_class(const float* scores, std::size_t classes, ScoreReader* read) {
  Best best{(*read)(scores[0]), 0};
  for (std::size_t c = 1; c < classes; ++c) {
    const float score = (*read)(scores[c]);
    if (score > best.score) best = {score, static_cast<int>(c)};
  }
  return best;
}

// Exports to TFLite divide the boxes by the input's size, others keep pixels.
bool is_normalized(float largest_coordinate) { return largest_coordinate <= 2.0f; }

// The candidates of one box with scores `score_of(class)`: the best class, or every one over the threshold.
template <typename ScoreOf>
void add_classes(const Candidate& box, std::size_t classes, const HeadOptions& options, ScoreOf score_of,
                 std::vector<Candidate>* out) {
  Best best{-1.0f, 0};
  for (std::size_t c = 0; c < classes; ++c) {
    const Best found{score_of(c), static_cast<int>(c)};
    if (options.multi_label && found.score > options.score_threshold) {
      out->push_back(box);
      out->back().score = found.score;
      out->back().class_index = found.class_index;
    }
    if (found.score > best.score) best = found;
  }
  if (options.multi_label || !(best.score > options.score_threshold)) return;
  out->push_back(box);
  out->back().score = best.score;
  out->back().class_index = best.class_index;
}

}  // namespace

Result<std::vector<Candidate>> yolox_candidates(const HeadInput& input) {
  const Output& output = input.outputs[0];
  const std::size_t rows = extent(output, 1), columns = extent(output, 2);
  const bool raw = has_raw_centers(output);
  const std::vector<Cell> cells = raw ? yolox_cells(input.width, input.height, rows) : std::vector<Cell>{};
  ScoreReader read(input.options);
  std::vector<Candidate> candidates;
  for (std::size_t row = 0; row < rows; ++row) {
    const float* values = output.values.data() + row * columns;
    const Best best = best_class(values + 5, columns - 5, &read);
    const float score = read(values[4]) * best.score;
    if (!(score >= input.options.score_threshold)) continue;
    if (!raw) {
      candidates.push_back(from_center(values[0], values[1], values[2], values[3], score, best.class_index));
      continue;
    }
    const auto stride = static_cast<float>(cells[row].stride);
    candidates.push_back(from_center((values[0] + static_cast<float>(cells[row].x)) * stride,
                                     (values[1] + static_cast<float>(cells[row].y)) * stride,
                                     std::exp(values[2]) * stride, std::exp(values[3]) * stride, score,
                                     best.class_index));
  }
  ASSAY_RETURN_IF_ERROR(read.status(output.info));
  return candidates;
}

Result<std::vector<Candidate>> yolov5_candidates(const HeadInput& input) {
  const Output& output = input.outputs[0];
  const std::size_t rows = extent(output, 1), columns = extent(output, 2);
  float largest = 0.0f;
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < 4; ++i) largest = std::max(largest, output.values[row * columns + i]);
  }
  const float scale_x = is_normalized(largest) ? static_cast<float>(input.width) : 1.0f;
  const float scale_y = is_normalized(largest) ? static_cast<float>(input.height) : 1.0f;
  ScoreReader read(input.options);
  std::vector<Candidate> candidates;
  for (std::size_t row = 0; row < rows; ++row) {
    const float* values = output.values.data() + row * columns;
    const float objectness = read(values[4]);
    if (!(objectness > input.options.score_threshold)) continue;
    const Candidate box = from_center(values[0] * scale_x, values[1] * scale_y, values[2] * scale_x,
                                      values[3] * scale_y, 0.0f, 0);
    add_classes(
        box, columns - 5, input.options, [&](std::size_t c) { return read(values[5 + c]) * objectness; },
        &candidates);
  }
  ASSAY_RETURN_IF_ERROR(read.status(output.info));
  return candidates;
}

Result<std::vector<Candidate>> yolov8_candidates(const HeadInput& input) {
  const Output& output = input.outputs[0];
  const std::size_t columns = extent(output, 1), rows = extent(output, 2);
  const float* values = output.values.data();
  const float largest = *std::max_element(values, values + 4 * rows);
  const float scale_x = is_normalized(largest) ? static_cast<float>(input.width) : 1.0f;
  const float scale_y = is_normalized(largest) ? static_cast<float>(input.height) : 1.0f;
  ScoreReader read(input.options);
  std::vector<Candidate> candidates;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto at = [&](std::size_t column) { return values[column * rows + row]; };
    const Candidate box =
        from_center(at(0) * scale_x, at(1) * scale_y, at(2) * scale_x, at(3) * scale_y, 0.0f, 0);
    add_classes(
        box, columns - 4, input.options, [&](std::size_t c) { return read(at(4 + c)); }, &candidates);
  }
  ASSAY_RETURN_IF_ERROR(read.status(output.info));
  return candidates;
}

}  // namespace assay::detect
