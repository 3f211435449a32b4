#include "detect/heads/head_kind.h"

#include <array>

#include "formats/tensor_view.h"

namespace assay::detect {
namespace {

struct Name {
  HeadKind kind;
  std::string_view name;
};
constexpr std::array<Name, 10> kNames = {{{HeadKind::kTfliteDetection, "tflite-detection"},
                                          {HeadKind::kSsd, "ssd"},
                                          {HeadKind::kYolox, "yolox"},
                                          {HeadKind::kYolov5, "yolov5"},
                                          {HeadKind::kYolov8, "yolov8"},
                                          {HeadKind::kNanodet, "nanodet"},
                                          {HeadKind::kFastestdet, "fastestdet"},
                                          {HeadKind::kDetr, "detr"},
                                          {HeadKind::kRtDetr, "rt-detr"},
                                          {HeadKind::kBlazeface, "blazeface"}}};

}  // namespace

std::string_view head_name(HeadKind kind) {
  for (const Name& entry : kNames) {
    if (entry.kind == kind) return entry.name;
  }
  return "";
}

std::string head_names() {
  std::string all;
  for (const Name& entry : kNames) all += (all.empty() ? "" : ", ") + std::string(entry.name);
  return all;
}

Result<HeadKind> head_from_name(std::string_view name) {
  for (const Name& entry : kNames) {
    if (entry.name == name) return entry.kind;
  }
  return Error{ErrorCode::kInvalidArgument, "head: " + quote(name) + ", expected one of " + head_names()};
}

Result<InputSpec> default_input_spec(HeadKind kind, const std::vector<std::int64_t>& input_shape) {
  const auto is_side = [](std::int64_t size) { return size >= 1 && size <= 16384; };
  InputSpec spec;
  if (input_shape.size() == 4 && input_shape[0] == 1 && input_shape[3] == 3 && is_side(input_shape[1]) &&
      is_side(input_shape[2])) {
    spec.layout = TensorLayout::kNhwc;
    spec.height = static_cast<int>(input_shape[1]);
    spec.width = static_cast<int>(input_shape[2]);
  } else if (input_shape.size() == 4 && input_shape[0] == 1 && input_shape[1] == 3 &&
             is_side(input_shape[2]) && is_side(input_shape[3])) {
    spec.layout = TensorLayout::kNchw;
    spec.height = static_cast<int>(input_shape[2]);
    spec.width = static_cast<int>(input_shape[3]);
  } else {
    return Error{ErrorCode::kUnsupported, "model input: shape " + shape_text(input_shape) +
                                              ", expected [1, height, width, 3] or [1, 3, height, width]"};
  }
  switch (kind) {
    case HeadKind::kTfliteDetection:
    case HeadKind::kSsd:  // -1 to 1; resized without antialiasing, as tf.image.resize does
      spec.resize = ResizeKind::kOpenCvLinear;
      spec.mean = spec.std = {127.5f, 127.5f, 127.5f};
      spec.raw_uint8 = true;
      break;
    case HeadKind::kYolox:  // yolox/data/data_augment.py, preproc
      spec.resize = ResizeKind::kOpenCvLinear;
      spec.fit = FitKind::kLetterboxTopLeft;
      spec.pad_value = 114;
      spec.order = ChannelOrder::kBgr;
      break;
    case HeadKind::kYolov5:
    case HeadKind::kYolov8:  // ultralytics, LetterBox
      spec.resize = ResizeKind::kOpenCvLinear;
      spec.fit = FitKind::kLetterboxCentered;
      spec.pad_value = 114;
      spec.std = {255.0f, 255.0f, 255.0f};
      break;
    case HeadKind::kNanodet:  // config/nanodet-plus-m_416.yml, keep_ratio: False
      spec.resize = ResizeKind::kOpenCvLinear;
      spec.order = ChannelOrder::kBgr;
      spec.mean = {103.53f, 116.28f, 123.675f};
      spec.std = {57.375f, 57.12f, 58.395f};
      break;
    case HeadKind::kFastestdet:  // test.py
      spec.resize = ResizeKind::kOpenCvLinear;
      spec.order = ChannelOrder::kBgr;
      spec.std = {255.0f, 255.0f, 255.0f};
      break;
    case HeadKind::kDetr:  // transformers' DetrImageProcessor, but stretched to the fixed size
      spec.mean = {123.675f, 116.28f, 103.53f};
      spec.std = {58.395f, 57.12f, 57.375f};
      break;
    case HeadKind::kRtDetr:  // transformers' RTDetrImageProcessor
      spec.std = {255.0f, 255.0f, 255.0f};
      break;
    case HeadKind::kBlazeface:  // face_detection.pbtxt: -1 to 1, keep_aspect_ratio, BORDER_ZERO
      spec.fit = FitKind::kWarpCentered;
      spec.mean = spec.std = {127.5f, 127.5f, 127.5f};
      break;
  }
  return spec;
}

}  // namespace assay::detect
