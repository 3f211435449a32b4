// The families of detectors whose outputs can be turned into boxes, and what each of them expects as input.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/preprocess.h"

namespace assay::detect {

enum class HeadKind {
  kTfliteDetection,  // outputs of the operator TFLite_Detection_PostProcess
  kSsd,              // box encodings and scores per anchor, TensorFlow's object detection API
  kYolox,            // [1, cells, 5 + classes], decoded or as raw grid offsets
  kYolov5,           // [1, 3 * cells, 5 + classes]
  kYolov8,           // [1, 4 + classes, cells], also YOLO11
  kNanodet,          // [1, cells, classes + 32]
  kFastestdet,       // [1, 5 + classes, h, w]
  kDetr,             // logits [1, queries, classes + 1] and boxes [1, queries, 4]; softmax
  kRtDetr,           // logits [1, queries, classes] and boxes [1, queries, 4]; sigmoid
  kBlazeface,        // MediaPipe's faces: regressors [1, N, 16] and logits [1, N, 1], N = 896 or 2304
};

// "tflite-detection", "ssd", "yolox", ...: what --head takes.
std::string_view head_name(HeadKind kind);
// All of them in one line, for help and errors.
std::string head_names();
// Errors: kInvalidArgument, listing the names.
Result<HeadKind> head_from_name(std::string_view name);

// What the family's own evaluation feeds its models with. Width, height and layout come from the input
// tensor's shape, [1, height, width, 3] or [1, 3, height, width]. Errors: kUnsupported (another shape).
Result<InputSpec> default_input_spec(HeadKind kind, const std::vector<std::int64_t>& input_shape);

}  // namespace assay::detect
