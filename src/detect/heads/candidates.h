// Internal: one function per family, from output tensors to candidates in pixels of the model's input.
// Each returns the candidates over the score threshold, before suppression. Errors as decode_detections.
#pragma once
#include <span>
#include <vector>

#include "base/result.h"
#include "detect/heads/decode.h"
#include "detect/heads/nms.h"
#include "detect/heads/output.h"

namespace assay::detect {

struct HeadInput {
  std::span<const Output> outputs;
  int width, height;  // of the model's input
  const HeadOptions& options;
};

Result<std::vector<Candidate>> tflite_detection_candidates(const HeadInput& input);
Result<std::vector<Candidate>> ssd_candidates(const HeadInput& input);
Result<std::vector<Candidate>> yolox_candidates(const HeadInput& input);
Result<std::vector<Candidate>> yolov5_candidates(const HeadInput& input);
Result<std::vector<Candidate>> yolov8_candidates(const HeadInput& input);
Result<std::vector<Candidate>> nanodet_candidates(const HeadInput& input);
Result<std::vector<Candidate>> fastestdet_candidates(const HeadInput& input);
Result<std::vector<Candidate>> detr_candidates(const HeadInput& input);
Result<std::vector<Candidate>> rt_detr_candidates(const HeadInput& input);
Result<std::vector<Candidate>> blazeface_candidates(const HeadInput& input);

// Anchors of ssd_mobilenet configurations (six layers from stride 16, scales 0.2 to 0.95, three in the lowest
// layer and six above), in the order of the outputs. Source:
// object_detection/anchor_generators/multiple_grid_anchor_generator.py.
std::vector<Anchor> ssd_anchors(int input_width, int input_height);

// Cells of the grids with these strides, a started cell counting whole.
std::int64_t grid_cells(int width, int height, std::span<const int> strides);
inline constexpr int kStrides[] = {8, 16, 32, 64};

// Whether these are the outputs of MediaPipe's face detectors, in any order, for this input.
bool are_blazeface_outputs(std::span<const OutputInfo> outputs, int input_width, int input_height);

// A boxes tensor [1, N, 4] and its partner [1, N, K]: positions in the list of outputs.
struct BoxesAndScores {
  std::size_t boxes, scores;
};
// Errors: kUnsupported.
Result<BoxesAndScores> find_boxes_and_scores(std::span<const OutputInfo> outputs);

float sigmoid(float value);

// Reads stored scores as probabilities, and remembers whether they can be some.
class ScoreReader {
 public:
  explicit ScoreReader(const HeadOptions& options) : logits_(options.scores_are_logits) {}
  float operator()(float stored) {
    if (logits_) return sigmoid(stored);
    negative_ |= stored < 0.0f;
    return stored;
  }
  // Errors: kInvalidArgument when a score below 0 came by that nobody said to be a logit.
  Status status(const OutputInfo& info) const;

 private:
  bool logits_;
  bool negative_ = false;
};

// A candidate from a center and a size.
Candidate from_center(float x, float y, float width, float height, float score, int class_index);

}  // namespace assay::detect
