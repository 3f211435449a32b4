#include "detect/heads/choose_head.h"

#include <algorithm>
#include <optional>

#include "detect/heads/candidates.h"
#include "formats/tensor_view.h"

namespace assay::detect {
namespace {

constexpr std::int64_t kMostQueries = 300;
constexpr std::int64_t kNanodetBins = 32;  // 4 sides, 8 bins each
constexpr std::int64_t kMaxClasses = 100'000;

std::string listed(std::span<const OutputInfo> outputs) {
  std::string text;
  constexpr std::size_t kMost = 6;
  for (std::size_t i = 0; i < std::min(outputs.size(), kMost); ++i) {
    text += (i == 0 ? "" : ", ") + quote(outputs[i].name) + " " + shape_text(outputs[i].shape);
  }
  if (outputs.size() > kMost) text += " and " + std::to_string(outputs.size() - kMost) + " more";
  return outputs.empty() ? "no outputs" : text;
}

Status check_input(int width, int height) {
  if (width >= 1 && height >= 1) return {};
  return Error{ErrorCode::kInvalidArgument, "model input: " + std::to_string(width) + "x" +
                                                std::to_string(height) + ", expected at least 1x1"};
}

// The extents after the batch, for a tensor of this rank and batch 1; empty otherwise.
std::vector<std::int64_t> without_batch(const OutputInfo& info, std::size_t rank) {
  if (info.shape.size() != rank || info.shape[0] != 1) return {};
  return {info.shape.begin() + 1, info.shape.end()};
}

bool is_tflite_detection(std::span<const OutputInfo> outputs) {
  if (outputs.size() != 4) return false;
  int boxes = 0, per_box = 0, count = 0;
  for (const OutputInfo& info : outputs) {
    const std::size_t rank = info.shape.size();
    boxes += rank == 3 && info.shape[0] == 1 && info.shape[2] == 4;
    per_box += rank == 2 && info.shape[0] == 1;
    count += rank <= 1 && (rank == 0 || info.shape[0] == 1);
  }
  return boxes == 1 && per_box == 2 && count == 1;
}

std::optional<HeadKind> choose_single(const OutputInfo& info, int width, int height) {
  const auto grid = without_batch(info, 4);
  if (!grid.empty()) {
    const std::int64_t rows = height / 16, columns = width / 16;
    const bool planar = grid[0] > 5 && grid[1] == rows && grid[2] == columns;
    const bool interleaved = grid[2] > 5 && grid[0] == rows && grid[1] == columns;
    if (planar || interleaved) return HeadKind::kFastestdet;
  }
  const auto table = without_batch(info, 3);
  if (table.empty()) return std::nullopt;
  const std::int64_t rows = table[0], columns = table[1];
  const std::int64_t three = grid_cells(width, height, std::span(kStrides).first(3));
  const std::int64_t four = grid_cells(width, height, kStrides);
  if (columns > 5 && (rows == 3 * three || rows == 3 * four)) return HeadKind::kYolov5;
  if (columns > kNanodetBins && (rows == four || (rows == three && columns == 80 + kNanodetBins))) {
    return HeadKind::kNanodet;
  }
  if (columns > 5 && rows == three) return HeadKind::kYolox;
  if (rows > 4 && (columns == three || columns == four)) return HeadKind::kYolov8;
  return std::nullopt;
}

HeadKind choose_pair(std::int64_t rows, std::int64_t columns) {
  if (rows > kMostQueries) return HeadKind::kSsd;
  return columns == 80 || columns == 91 ? HeadKind::kRtDetr : HeadKind::kDetr;
}

Error not_this_head(HeadKind kind, std::span<const OutputInfo> outputs, int width, int height) {
  return {ErrorCode::kUnsupported, "head " + std::string(head_name(kind)) + ": does not fit the outputs " +
                                       listed(outputs) + " of an input of " + std::to_string(width) + "x" +
                                       std::to_string(height)};
}

// Rows of a table [1, rows, columns] or [1, columns, rows] that this head may have.
bool has_rows(HeadKind kind, std::int64_t rows, int width, int height) {
  const std::int64_t three = grid_cells(width, height, std::span(kStrides).first(3));
  const std::int64_t four = grid_cells(width, height, kStrides);
  const std::int64_t per_cell = kind == HeadKind::kYolov5 ? 3 : 1;
  return rows == per_cell * three || rows == per_cell * four;
}

// What is no class among the columns of the single output; 0 for heads of another form.
std::int64_t extra_columns(HeadKind kind) {
  switch (kind) {
    case HeadKind::kYolox:
    case HeadKind::kYolov5:
    case HeadKind::kFastestdet:
      return 5;
    case HeadKind::kYolov8:
      return 4;
    case HeadKind::kNanodet:
      return kNanodetBins;
    default:
      return 0;
  }
}

std::int64_t single_columns(HeadKind kind, const OutputInfo& info, int width, int height) {
  if (kind == HeadKind::kFastestdet) {
    const auto grid = without_batch(info, 4);
    if (grid.empty()) return 0;
    const std::int64_t rows = height / 16, columns = width / 16;
    if (grid[1] == rows && grid[2] == columns) return grid[0];
    return grid[0] == rows && grid[1] == columns ? grid[2] : 0;
  }
  const auto table = without_batch(info, 3);
  if (table.empty()) return 0;
  const bool rows_last = kind == HeadKind::kYolov8;
  return has_rows(kind, table[rows_last ? 1 : 0], width, height) ? table[rows_last ? 0 : 1] : 0;
}

}  // namespace

std::int64_t grid_cells(int width, int height, std::span<const int> strides) {
  std::int64_t cells = 0;
  for (const std::int64_t stride : strides)
    cells += ((width + stride - 1) / stride) * ((height + stride - 1) / stride);
  return cells;
}

Result<BoxesAndScores> find_boxes_and_scores(std::span<const OutputInfo> outputs) {
  const Error error{ErrorCode::kUnsupported,
                    "outputs " + listed(outputs) + ": expected boxes [1, N, 4] and scores [1, N, classes]"};
  if (outputs.size() != 2) return error;
  const auto first = without_batch(outputs[0], 3), second = without_batch(outputs[1], 3);
  if (first.empty() || second.empty() || first[0] != second[0] || first[0] < 1) return error;
  const bool first_boxes = first[1] == 4, second_boxes = second[1] == 4;
  if (first_boxes != second_boxes) return BoxesAndScores{first_boxes ? 0u : 1u, first_boxes ? 1u : 0u};
  if (!first_boxes) return error;
  // Three classes and "no object": only names are left.
  const bool first_named = outputs[0].name.find("box") != std::string::npos;
  const bool second_named = outputs[1].name.find("box") != std::string::npos;
  if (first_named == second_named) return error;
  return BoxesAndScores{first_named ? 0u : 1u, first_named ? 1u : 0u};
}

Result<HeadKind> choose_head(std::span<const OutputInfo> outputs, int input_width, int input_height) {
  ASSAY_RETURN_IF_ERROR(check_input(input_width, input_height));
  if (is_tflite_detection(outputs)) return HeadKind::kTfliteDetection;
  if (are_blazeface_outputs(outputs, input_width, input_height)) return HeadKind::kBlazeface;
  if (outputs.size() == 1) {
    if (const auto kind = choose_single(outputs[0], input_width, input_height)) return *kind;
  }
  if (const auto pair = find_boxes_and_scores(outputs)) {
    const auto& scores = outputs[pair->scores].shape;
    return choose_pair(scores[1], scores[2]);
  }
  return Error{ErrorCode::kUnsupported, "head: no family known for the outputs " + listed(outputs) +
                                            " of an input of " + std::to_string(input_width) + "x" +
                                            std::to_string(input_height) + "; name one of " + head_names() +
                                            " with --head"};
}

Result<int> class_count(HeadKind kind, std::span<const OutputInfo> outputs, int input_width,
                        int input_height) {
  ASSAY_RETURN_IF_ERROR(check_input(input_width, input_height));
  if (kind == HeadKind::kTfliteDetection) {
    if (!is_tflite_detection(outputs)) return not_this_head(kind, outputs, input_width, input_height);
    return 0;
  }
  if (kind == HeadKind::kBlazeface) {
    if (are_blazeface_outputs(outputs, input_width, input_height)) return 1;
    return not_this_head(kind, outputs, input_width, input_height);
  }
  std::int64_t classes = 0;
  if (const std::int64_t extra = extra_columns(kind); extra > 0) {
    if (outputs.size() == 1) classes = single_columns(kind, outputs[0], input_width, input_height) - extra;
  } else if (const auto pair = find_boxes_and_scores(outputs)) {
    // One column of the softmax is "no object", the first of an SSD is the background.
    classes = outputs[pair->scores].shape[2] - (kind == HeadKind::kRtDetr ? 0 : 1);
  }
  if (classes < 1 || classes > kMaxClasses) return not_this_head(kind, outputs, input_width, input_height);
  return static_cast<int>(classes);
}

}  // namespace assay::detect
