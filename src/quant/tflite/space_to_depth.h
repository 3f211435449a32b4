// Every second pixel four times over, as one operator.
#pragma once
#include <cstddef>

#include "formats/tflite/model.h"

namespace assay::tflite {

// YOLO's "focus" (YOLOv5 up to 5.0, YOLOX): four STRIDED_SLICE of stride 2 joined along the channels, in the
// main subgraph. XNNPACK does not take the slices, and the built-in kernel for them costs a sixth of
// YOLOX-Nano's time. Each becomes a SPACE_TO_DEPTH that writes the concatenation's output; as that orders the
// channels differently, those of the convolutions that read it change places. The products are the same,
// their sum is in another order. REQUIRES: constants are folded. Left alone are concatenations that are
// outputs of the graph or that anything but a CONV_2D with constant float weights reads. Indices of tensors
// stay the same. Returns how many were replaced.
std::size_t merge_space_to_depth(Model& model);

}  // namespace assay::tflite
