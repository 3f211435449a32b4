// What calibration found out about activations.
#pragma once
#include <optional>
#include <vector>

namespace assay::tflite {

// What is known of the values that a tensor takes.
struct Range {
  // Those to represent; others are clipped. min <= max, both finite.
  float min = 0;
  float max = 0;
  float rms = 0;  // root of the mean square of all values seen, clipped ones too; 0: not known
  std::vector<float> channel_means =
      {};  // of all values of each index of the last dimension; empty: not known
};

// By index of tensor in the main subgraph of the model that is quantized, as parse() gave it (folding
// constants and exposing outputs change no index). Nothing for constants and for tensors nobody looked at.
using ActivationRanges = std::vector<std::optional<Range>>;

}  // namespace assay::tflite
