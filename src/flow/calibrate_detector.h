// The ranges of a detector's activations over a folder of pictures.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "flow/detector.h"
#include "quant/tflite/activation_ranges.h"

namespace assay {

enum class RangeMethod { kMinMax, kPercentile, kMse, kEntropy, kMovingAverage };

struct DetectorCalibrationOptions {
  std::filesystem::path pictures;  // a folder; its JPEG and PNG files count, in the order of their names
  std::int64_t samples = 128;      // at most so many, spread evenly over the folder
  // Without one: kMse for graphs with attention, kPercentile for others (docs/results.md has the figures).
  std::optional<RangeMethod> method;
  double percentile = 0.9999;  // of kPercentile
  // Of tensors that are looked at in one pass over the pictures; more passes for larger models. One tensor at
  // least.
  std::uint64_t max_bytes_per_pass = std::uint64_t{128} << 20;
  std::vector<bool> tensors;  // of the main subgraph, those to look at; empty: all
  DetectorOptions detector;
};

struct DetectorCalibration {
  tflite::ActivationRanges ranges;
  std::int64_t pictures = 0;
  std::int64_t passes = 0;
  std::vector<std::string> warnings;  // one line each: tensors with values that are not finite
};

// Runs the float model with its intermediate tensors exposed, and keeps a histogram of each: memory does not
// grow with the number of pictures. Errors: kNotFound (no such folder, no pictures in it), those of reading a
// picture (naming it), of tflite::expose_outputs and of the runtime; kInterrupted.
Result<DetectorCalibration> calibrate_detector(const CheckedTflite& model,
                                               std::shared_ptr<const litert::Library> library,
                                               const DetectorCalibrationOptions& options, Progress& progress);

// The JPEG and PNG files of a folder by name. Errors: kNotFound.
Result<std::vector<std::filesystem::path>> pictures_in(const std::filesystem::path& folder);

}  // namespace assay
