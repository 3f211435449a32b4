// From a model's outputs to boxes on the original picture.
#pragma once
#include <span>
#include <vector>

#include "base/result.h"
#include "detect/heads/head_kind.h"
#include "detect/heads/output.h"
#include "image/preprocess.h"

namespace assay::detect {

struct Detection {
  float left, top, right, bottom;  // pixels of the original picture, x to the right, y down
  float score;
  int class_index;  // the model's own; class_map.h makes it a category
};

// Center and size relative to the input, 0 to 1.
struct Anchor {
  float y, x, height, width;
};

struct HeadOptions {
  float score_threshold = 0.0f;
  double iou_threshold = 0.5;
  int max_detections = 0;    // 0: all
  bool multi_label = false;  // one box may be detected as several classes (YOLOv5, YOLOv8)
  bool class_agnostic = false;
  // For exports that leave the sigmoid of the scores out. Where it is off, scores below 0 are an error.
  bool scores_are_logits = false;
  std::vector<Anchor>
      anchors;  // of kSsd; empty: TensorFlow's usual ones for the input's size, if they are as many
};

// The settings with which the family's own code evaluates on COCO:
//   yolox 0.01, IoU 0.65 · yolov5 0.001, 0.6, multi-label, 300 · yolov8 0.001, 0.7, multi-label, 300
//   nanodet 0.05, 0.6, 100 · fastestdet 0.001, 0.45 · ssd 1e-8, 0.6, 100
//   tflite-detection, detr and rt-detr: everything that the model gives
//   blazeface 0.01, 0.3; MediaPipe shows from 0.5 on, which would cut the curve that AP is taken from
HeadOptions evaluation_options(HeadKind kind);

// Best score first. Boxes are clipped to the picture where the family does it (all but YOLOX, FastestDet, DETR
// and BlazeFace); boxes and scores that are not finite are dropped. `placement` is what prepare_input gave for the
// picture; width and height are the model input's. One image per call: the batch is 1. Errors: kUnsupported
// (shapes that are not this head's), kCorrupt (values that do not fill their shape), kInvalidArgument (scores
// below 0 without scores_are_logits, anchors that do not fit). Each names the tensor. Thread safe.
Result<std::vector<Detection>> decode_detections(HeadKind kind, std::span<const Output> outputs,
                                                 int input_width, int input_height,
                                                 const Placement& placement, const HeadOptions& options);

}  // namespace assay::detect
