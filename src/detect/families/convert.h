// From a checkpoint of a detector in Hugging Face's form to a .tflite graph.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "detect/families/checkpoint_weights.h"
#include "detect/families/processor.h"
#include "formats/tflite/model.h"

namespace assay::detect {

struct ConvertOptions {
  bool padding = false;  // pictures may be smaller than the input
};

// The graph for pictures of one size: input "pixel_values" [1, height, width, 3], normalized as the
// checkpoint's processor does; with padding also "pixel_mask" [1, height, width], 1 where the picture is, 0
// right of and below it, where the pixels are 0; outputs "logits" [1, queries, classes] and "pred_boxes" [1,
// queries, 4], center and size relative to the picture. It borrows from `tensors`. Errors: kUnsupported
// (another model_type, one that takes no mask with padding, options that are not there), kCorrupt
// (config.json or tensors that contradict each other), kInvalidArgument (a size that the model cannot take).
// The file describes itself (heads/detector_card.h): head, labels, and what `processor` does to pictures, but
// that they are stretched to the size.
Result<tflite::Model> convert_detector(std::string_view config_json, const Processor& processor,
                                       const TensorMap& tensors, InputSize size,
                                       const ConvertOptions& options = {});

}  // namespace assay::detect
