#include "detect/heads/decode.h"

#include <algorithm>
#include <cmath>

#include "detect/heads/candidates.h"
#include "detect/heads/choose_head.h"
#include "formats/tensor_view.h"

namespace assay::detect {
namespace {

Status check_outputs(std::span<const Output> outputs) {
  for (const Output& output : outputs) {
    ASSAY_TRY(const std::uint64_t bytes,
              tensor_bytes("output " + quote(output.info.name), DType::kF32, output.info.shape));
    if (bytes / sizeof(float) != output.values.size()) {
      return Error{ErrorCode::kCorrupt, "output " + quote(output.info.name) + ": " +
                                            std::to_string(output.values.size()) + " values, expected " +
                                            std::to_string(bytes / sizeof(float))};
    }
  }
  return {};
}

Result<std::vector<Candidate>> candidates_of(HeadKind kind, const HeadInput& input) {
  switch (kind) {
    case HeadKind::kTfliteDetection:
      return tflite_detection_candidates(input);
    case HeadKind::kSsd:
      return ssd_candidates(input);
    case HeadKind::kYolox:
      return yolox_candidates(input);
    case HeadKind::kYolov5:
      return yolov5_candidates(input);
    case HeadKind::kYolov8:
      return yolov8_candidates(input);
    case HeadKind::kNanodet:
      return nanodet_candidates(input);
    case HeadKind::kFastestdet:
      return fastestdet_candidates(input);
    case HeadKind::kDetr:
      return detr_candidates(input);
    case HeadKind::kRtDetr:
      return rt_detr_candidates(input);
    case HeadKind::kBlazeface:
      return blazeface_candidates(input);
  }
  return Error{ErrorCode::kInvalidArgument, "head: expected one of " + head_names()};
}

bool suppresses(HeadKind kind) {
  return kind != HeadKind::kTfliteDetection && kind != HeadKind::kDetr && kind != HeadKind::kRtDetr &&
         kind != HeadKind::kBlazeface;
}

ClassSeparation separation_of(HeadKind kind) {
  switch (kind) {
    case HeadKind::kYolox:
    case HeadKind::kFastestdet:
      return ClassSeparation::kTorchvision;
    case HeadKind::kYolov5:
    case HeadKind::kYolov8:
      return ClassSeparation::kUltralytics;
    case HeadKind::kNanodet:
      return ClassSeparation::kLargestCoordinate;
    default:
      return ClassSeparation::kExact;
  }
}

bool clips(HeadKind kind) {
  return kind != HeadKind::kYolox && kind != HeadKind::kFastestdet && kind != HeadKind::kDetr &&
         kind != HeadKind::kRtDetr && kind != HeadKind::kBlazeface;
}

bool is_finite(const Candidate& c) {
  return std::isfinite(c.left) && std::isfinite(c.top) && std::isfinite(c.right) && std::isfinite(c.bottom) &&
         std::isfinite(c.score);
}

void keep_best(std::vector<Candidate>* candidates, std::size_t most) {
  if (candidates->size() <= most) return;
  std::stable_sort(candidates->begin(), candidates->end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  candidates->resize(most);
}

Detection to_picture(const Candidate& c, const Placement& at, bool clip) {
  const auto map = [clip](float value, double offset, double scale, int size) {
    const double original = (static_cast<double>(value) - offset) / scale;
    return static_cast<float>(clip ? std::clamp(original, 0.0, static_cast<double>(size)) : original);
  };
  return {map(c.left, at.offset_x, at.scale_x, at.image_width),
          map(c.top, at.offset_y, at.scale_y, at.image_height),
          map(c.right, at.offset_x, at.scale_x, at.image_width),
          map(c.bottom, at.offset_y, at.scale_y, at.image_height),
          c.score,
          c.class_index};
}

}  // namespace

float sigmoid(float value) { return 1.0f / (1.0f + std::exp(-value)); }

Status ScoreReader::status(const OutputInfo& info) const {
  if (!negative_) return {};
  return Error{
      ErrorCode::kInvalidArgument,
      "output " + quote(info.name) +
          ": scores below 0, expected 0 to 1; if they are logits, say so, else the head is another one"};
}

Candidate from_center(float x, float y, float width, float height, float score, int class_index) {
  return {x - width / 2, y - height / 2, x + width / 2, y + height / 2, score, class_index};
}

HeadOptions evaluation_options(HeadKind kind) {
  HeadOptions options;
  switch (kind) {
    case HeadKind::kYolox:
      options.score_threshold = 0.01f, options.iou_threshold = 0.65;
      break;
    case HeadKind::kYolov5:
    case HeadKind::kYolov8:
      options.score_threshold = 0.001f;
      options.iou_threshold = kind == HeadKind::kYolov5 ? 0.6 : 0.7;
      options.multi_label = true;
      options.max_detections = 300;
      break;
    case HeadKind::kNanodet:
      options.score_threshold = 0.05f, options.iou_threshold = 0.6, options.max_detections = 100;
      break;
    case HeadKind::kFastestdet:
      options.score_threshold = 0.001f, options.iou_threshold = 0.45;
      break;
    case HeadKind::kSsd:
      options.score_threshold = 1e-8f, options.iou_threshold = 0.6, options.max_detections = 100;
      break;
    case HeadKind::kBlazeface:
      options.score_threshold = 0.01f, options.iou_threshold = 0.3;
      break;
    case HeadKind::kTfliteDetection:
    case HeadKind::kDetr:
    case HeadKind::kRtDetr:
      break;
  }
  return options;
}

Result<std::vector<Detection>> decode_detections(HeadKind kind, std::span<const Output> outputs,
                                                 int input_width, int input_height,
                                                 const Placement& placement, const HeadOptions& options) {
  ASSAY_RETURN_IF_ERROR(check_outputs(outputs));
  std::vector<OutputInfo> infos;
  for (const Output& output : outputs) infos.push_back(output.info);
  if (const auto classes = class_count(kind, infos, input_width, input_height); !classes)
    return classes.error();
  ASSAY_TRY(std::vector<Candidate> candidates,
            candidates_of(kind, {outputs, input_width, input_height, options}));
  std::erase_if(candidates, [](const Candidate& c) { return !is_finite(c); });
  if (kind == HeadKind::kYolov5 || kind == HeadKind::kYolov8)
    keep_best(&candidates, 30000);  // ultralytics' max_nms
  if (kind == HeadKind::kBlazeface) candidates = merge_overlapping(candidates, options.iou_threshold);
  const ClassSeparation separation = options.class_agnostic ? ClassSeparation::kNone : separation_of(kind);
  std::vector<std::size_t> order =
      suppresses(kind) ? suppress(candidates, options.iou_threshold, separation) : by_score(candidates);
  if (options.max_detections > 0)
    order.resize(std::min(order.size(), static_cast<std::size_t>(options.max_detections)));
  std::vector<Detection> detections;
  for (const std::size_t index : order)
    detections.push_back(to_picture(candidates[index], placement, clips(kind)));
  return detections;
}

}  // namespace assay::detect
