// TensorFlow's SSD: boxes relative to anchors, or what the operator TFLite_Detection_PostProcess made of
// them.
#include <cmath>

#include "detect/heads/candidates.h"
#include "formats/tensor_view.h"

namespace assay::detect {
namespace {

// The box coder's scale factors, y_scale 10, x_scale 10, height_scale 5, width_scale 5 in all published
// configurations.
constexpr float kCenterScale = 10.0f;
constexpr float kSizeScale = 5.0f;

constexpr int kLayers = 6;

// Scale s of layer i, as TensorFlow interpolates it; the one past the last is 1.
double layer_scale(int layer) {
  constexpr double kMin = 0.2, kMax = 0.95;
  return layer >= kLayers ? 1.0 : kMin + (kMax - kMin) * layer / (kLayers - 1);
}

struct Shape {
  double scale, aspect_ratio;
};

std::vector<Shape> layer_shapes(int layer) {
  const double scale = layer_scale(layer);
  if (layer == 0) return {{0.1, 1.0}, {scale, 2.0}, {scale, 0.5}};
  const double between = std::sqrt(scale * layer_scale(layer + 1));
  return {{scale, 1.0}, {scale, 2.0}, {scale, 0.5}, {scale, 3.0}, {scale, 1.0 / 3.0}, {between, 1.0}};
}

Result<std::vector<Anchor>> anchors_for(const HeadInput& input, std::size_t boxes) {
  std::vector<Anchor> anchors =
      input.options.anchors.empty() ? ssd_anchors(input.width, input.height) : input.options.anchors;
  if (anchors.size() == boxes) return anchors;
  return Error{ErrorCode::kInvalidArgument,
               std::string("anchors: ") + (input.options.anchors.empty() ? "an SSD MobileNet" : "the list") +
                   " of " + std::to_string(input.width) + "x" + std::to_string(input.height) + " has " +
                   std::to_string(anchors.size()) + ", expected " + std::to_string(boxes) +
                   ", one for each box"};
}

bool is_whole(float value) { return value == std::floor(value); }

// Which of the two lists of per-box numbers are the classes. The operator puts them before the scores;
// TensorFlow 2 exports shuffle the outputs under names that say nothing, but only classes are whole numbers.
bool first_is_classes(const Output& first, const Output& second, std::size_t count) {
  bool first_whole = true, second_whole = true;
  for (std::size_t i = 0; i < count; ++i) {
    first_whole &= is_whole(first.values[i]);
    second_whole &= is_whole(second.values[i]);
  }
  return first_whole || !second_whole;
}

struct OperatorOutputs {
  const Output* boxes = nullptr;
  const Output* first = nullptr;
  const Output* second = nullptr;
  const Output* count = nullptr;
};

OperatorOutputs sort_outputs(std::span<const Output> outputs) {
  OperatorOutputs sorted;
  for (const Output& output : outputs) {
    const std::size_t rank = output.info.shape.size();
    const Output*& per_box = sorted.first == nullptr ? sorted.first : sorted.second;
    (rank == 3 ? sorted.boxes : rank == 2 ? per_box : sorted.count) = &output;
  }
  return sorted;
}

}  // namespace

std::vector<Anchor> ssd_anchors(int input_width, int input_height) {
  std::vector<Anchor> anchors;
  // Every layer halves the one before, rounding up.
  int rows = (input_height + 15) / 16, columns = (input_width + 15) / 16;
  for (int layer = 0; layer < kLayers; ++layer, rows = (rows + 1) / 2, columns = (columns + 1) / 2) {
    for (int y = 0; y < rows; ++y) {
      for (int x = 0; x < columns; ++x) {
        for (const Shape& shape : layer_shapes(layer)) {
          const double root = std::sqrt(shape.aspect_ratio);
          anchors.push_back({static_cast<float>((y + 0.5) / rows), static_cast<float>((x + 0.5) / columns),
                             static_cast<float>(shape.scale / root), static_cast<float>(shape.scale * root)});
        }
      }
    }
  }
  return anchors;
}

Result<std::vector<Candidate>> ssd_candidates(const HeadInput& input) {
  const OutputInfo infos[] = {input.outputs[0].info, input.outputs[1].info};
  ASSAY_TRY(const BoxesAndScores pair, find_boxes_and_scores(infos));
  const Output& boxes = input.outputs[pair.boxes];
  const Output& scores = input.outputs[pair.scores];
  const auto columns = static_cast<std::size_t>(scores.info.shape[2]);
  ASSAY_TRY(const std::vector<Anchor> anchors, anchors_for(input, boxes.values.size() / 4));
  const auto width = static_cast<float>(input.width), height = static_cast<float>(input.height);
  ScoreReader read(input.options);
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < anchors.size(); ++i) {
    const Anchor& anchor = anchors[i];
    const float* code = boxes.values.data() + i * 4;  // y, x, height, width
    const Candidate box = from_center((code[1] / kCenterScale * anchor.width + anchor.x) * width,
                                      (code[0] / kCenterScale * anchor.height + anchor.y) * height,
                                      std::exp(code[3] / kSizeScale) * anchor.width * width,
                                      std::exp(code[2] / kSizeScale) * anchor.height * height, 0.0f, 0);
    for (std::size_t c = 1; c < columns; ++c) {  // column 0 is the background
      const float score = read(scores.values[i * columns + c]);
      if (!(score > input.options.score_threshold)) continue;
      candidates.push_back(box);
      candidates.back().score = score;
      candidates.back().class_index = static_cast<int>(c) - 1;
    }
  }
  ASSAY_RETURN_IF_ERROR(read.status(scores.info));
  return candidates;
}

Result<std::vector<Candidate>> tflite_detection_candidates(const HeadInput& input) {
  const OperatorOutputs outputs = sort_outputs(input.outputs);
  const std::size_t slots = outputs.boxes->values.size() / 4;
  if (outputs.first->values.size() != slots || outputs.second->values.size() != slots) {
    return Error{ErrorCode::kUnsupported, "head tflite-detection: " + std::to_string(slots) + " boxes, but " +
                                              std::to_string(outputs.first->values.size()) + " and " +
                                              std::to_string(outputs.second->values.size()) +
                                              " classes and scores"};
  }
  const float count = outputs.count->values[0];
  if (!(count >= 0.0f) || count > static_cast<float>(slots)) {
    return Error{ErrorCode::kCorrupt, "output " + quote(outputs.count->info.name) + ": " +
                                          std::to_string(count) + " detections, expected 0 to " +
                                          std::to_string(slots)};
  }
  const auto found = static_cast<std::size_t>(count);
  const bool in_order = first_is_classes(*outputs.first, *outputs.second, found);
  const std::vector<float>& classes = (in_order ? outputs.first : outputs.second)->values;
  const std::vector<float>& scores = (in_order ? outputs.second : outputs.first)->values;
  const auto width = static_cast<float>(input.width), height = static_cast<float>(input.height);
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < found; ++i) {
    if (!(scores[i] > input.options.score_threshold)) continue;
    if (!(classes[i] >= 0.0f && classes[i] <= 1e6f)) {
      return Error{ErrorCode::kCorrupt, "head tflite-detection: class " + std::to_string(classes[i]) +
                                            ", expected a whole number from 0"};
    }
    const float* box = outputs.boxes->values.data() + i * 4;  // top, left, bottom, right
    candidates.push_back({box[1] * width, box[0] * height, box[3] * width, box[2] * height, scores[i],
                          static_cast<int>(classes[i])});
  }
  return candidates;
}

}  // namespace assay::detect
