// Which family a model belongs to, from the shapes that it puts out.
#pragma once
#include <span>

#include "base/result.h"
#include "detect/heads/head_kind.h"
#include "detect/heads/output.h"

namespace assay::detect {

// Only shapes decide; names only where two heads share one shape. What one shape can mean twice is settled
// so: two outputs [1, N, 4] and [1, N, K] are queries up to N = 300 (RT-DETR for K = 80 and 91, otherwise
// DETR; DETR for K = 92 above all), and anchors of an SSD beyond. Errors: kUnsupported, listing the outputs
// found and the heads that --head takes. Thread safe.
Result<HeadKind> choose_head(std::span<const OutputInfo> outputs, int input_width, int input_height);

// The number of classes that the shapes imply, background and "no object" not counted; 0 where shapes do not
// tell (kTfliteDetection). Errors: kUnsupported, naming head and shapes when they do not belong together.
Result<int> class_count(HeadKind kind, std::span<const OutputInfo> outputs, int input_width,
                        int input_height);

}  // namespace assay::detect
