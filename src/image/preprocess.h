// From a picture to the input tensor of a detector, and the way back for the boxes.
#pragma once
#include <array>
#include <cstddef>
#include <vector>

#include "base/result.h"
#include "image/image.h"
#include "image/resize.h"
#include "tensor/dtype.h"

namespace assay {

// How a picture of any shape gets into the model's fixed size.
enum class FitKind {
  kStretch,            // both sides on their own
  kLetterboxTopLeft,   // shape kept, sides truncated, padding right and below: YOLOX's preproc
  kLetterboxCentered,  // shape kept, sides rounded, padding around: YOLOv5's letterbox with auto=False
  kWarpCentered,       // shape kept, nothing rounded, padding around: MediaPipe's ImageToTensorCalculator
};
enum class ChannelOrder { kRgb, kBgr };
enum class TensorLayout { kNhwc, kNchw };

// What one model wants. Numbers per channel are in the order that the model sees (kBgr: blue first).
struct InputSpec {
  int width = 0;
  int height = 0;
  ResizeKind resize = ResizeKind::kPillowBilinear;  // not of kWarpCentered, which samples as warp.h does
  FitKind fit = FitKind::kStretch;
  int pad_value = 0;  // 0 to 255, before normalization; used by the letterboxes
  ChannelOrder order = ChannelOrder::kRgb;
  TensorLayout layout = TensorLayout::kNhwc;
  // value = (pixel - mean) / std, pixel 0 to 255
  std::array<float, 3> mean = {0.0f, 0.0f, 0.0f};
  std::array<float, 3> std = {1.0f, 1.0f, 1.0f};
  // An uint8 input takes the pixels as they are, without mean, std, scale and zero point: what models with
  // uint8 inputs were made for, although their stored scale may say otherwise by a rounding.
  bool raw_uint8 = false;
};

// The element type of the tensor. Quantized: stored = round(value / scale) + zero_point, saturated.
struct InputType {
  DType dtype = DType::kF32;  // kF32, kU8 or kI8
  float scale = 0.0f;         // of kU8 and kI8
  int zero_point = 0;
};

// Where the picture lies in the input: input = original * scale + offset, in pixels whose corners are whole
// numbers.
struct Placement {
  double scale_x = 1.0, scale_y = 1.0;
  double offset_x = 0.0, offset_y = 0.0;
  int image_width = 0, image_height = 0;  // of the original
};

struct PreparedInput {
  std::vector<std::byte> bytes;  // height * width * 3 elements, no padding
  Placement placement;
};

// The placement alone. REQUIRES: positive sides.
Placement place(int image_width, int image_height, const InputSpec& spec);

// Errors: kInvalidArgument, naming the setting (a side, pad_value, std, dtype, scale) and what was expected.
// Thread safe.
Result<PreparedInput> prepare_input(const Image& image, const InputSpec& spec, const InputType& type);

}  // namespace assay
