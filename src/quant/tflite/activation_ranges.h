// What calibration found out about activations.
#pragma once
#include <optional>
#include <vector>

namespace assay::tflite {

// The values to represent; those outside are clipped. min <= max, both finite.
struct Range {
  float min = 0;
  float max = 0;
  float rms = 0;  // root of the mean square of all values seen, clipped ones too; 0: not known
};

// By index of tensor in the main subgraph of the model that is quantized, as parse() gave it (folding
// constants and exposing outputs change no index). Nothing for constants and for tensors nobody looked at.
using ActivationRanges = std::vector<std::optional<Range>>;

}  // namespace assay::tflite
