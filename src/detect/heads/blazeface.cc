// MediaPipe's face detectors. Sources: mediapipe/modules/face_detection/face_detection.pbtxt,
// face_detection_short_range.pbtxt and face_detection_full_range.pbtxt for the settings,
// ssd_anchors_calculator.cc and tensors_to_detections_calculator.cc for what they mean.
#include <algorithm>
#include <cmath>

#include "detect/heads/candidates.h"

namespace assay::detect {
namespace {

constexpr std::int64_t kNumbersPerBox = 16;  // x, y, width, height, and six key points that are not used here
constexpr float kLogitLimit = 100.0f;

struct Layer {
  int cells;  // a side
  int anchors_per_cell;
};

// Short range: strides 8, 16, 16, 16 with two anchors each; layers of one stride share their cells. Full
// range: stride 4, one anchor.
std::vector<Layer> layers_for(int input_width, int input_height) {
  if (input_width == 128 && input_height == 128) return {{16, 2}, {8, 6}};
  if (input_width == 192 && input_height == 192) return {{48, 1}};
  return {};
}

std::int64_t anchor_count(const std::vector<Layer>& layers) {
  std::int64_t count = 0;
  for (const Layer& layer : layers) count += layer.cells * layer.cells * layer.anchors_per_cell;
  return count;
}

bool is_table(const OutputInfo& info, std::int64_t rows, std::int64_t columns) {
  return info.shape == std::vector<std::int64_t>{1, rows, columns};
}

}  // namespace

bool are_blazeface_outputs(std::span<const OutputInfo> outputs, int input_width, int input_height) {
  const std::int64_t rows = anchor_count(layers_for(input_width, input_height));
  if (outputs.size() != 2 || rows == 0) return false;
  return (is_table(outputs[0], rows, kNumbersPerBox) && is_table(outputs[1], rows, 1)) ||
         (is_table(outputs[1], rows, kNumbersPerBox) && is_table(outputs[0], rows, 1));
}

Result<std::vector<Candidate>> blazeface_candidates(const HeadInput& input) {
  const bool boxes_first = input.outputs[0].info.shape[2] == kNumbersPerBox;
  const float* code = input.outputs[boxes_first ? 0 : 1].values.data();
  const float* logit = input.outputs[boxes_first ? 1 : 0].values.data();
  std::vector<Candidate> candidates;
  for (const Layer& layer : layers_for(input.width, input.height)) {
    const float stride = static_cast<float>(input.width) / static_cast<float>(layer.cells);
    for (int y = 0; y < layer.cells; ++y) {
      for (int x = 0; x < layer.cells; ++x) {
        for (int i = 0; i < layer.anchors_per_cell; ++i, code += kNumbersPerBox, ++logit) {
          const float score = sigmoid(std::clamp(*logit, -kLogitLimit, kLogitLimit));
          // Sizes below 0 come out of the network where it sees nothing.
          if (!(score >= input.options.score_threshold) || !(code[2] >= 0.0f) || !(code[3] >= 0.0f)) continue;
          candidates.push_back(from_center(code[0] + (static_cast<float>(x) + 0.5f) * stride,
                                           code[1] + (static_cast<float>(y) + 0.5f) * stride, code[2],
                                           code[3], score, 0));
        }
      }
    }
  }
  return candidates;
}

}  // namespace assay::detect
