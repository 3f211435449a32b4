// A .tflite file in, a smaller one out.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "flow/calibrate_detector.h"
#include "flow/int8_budget.h"
#include "quant/tflite/convert.h"
#include "quant/tflite/static.h"

namespace assay {

enum class TfliteTarget { kFloat32, kFloat16, kInt8Dynamic, kInt8WeightOnly, kInt8Static };

struct TfliteQuantizeOptions {
  TfliteTarget target = TfliteTarget::kFloat16;
  // Regular expressions, found anywhere in "CONV_2D name/of/the/output": such operators stay in float.
  std::vector<std::string> keep_float;
  // Of kInt8Static; see tflite::StaticOptions.
  std::filesystem::path ranges;  // a file as in activation_ranges_file.h, or else
  std::optional<DetectorCalibrationOptions> calibration;
  std::filesystem::path write_ranges;  // where what the calibration finds goes, for `ranges`; empty: nowhere
  bool full_integer = false;
  double least_snr = tflite::StaticOptions{}.least_snr;
  bool int8_io = false;
  tflite::Activations activations = tflite::Activations::kInt8;
  bool correct_biases = true;
  // Instead of least_snr: what stays in float so that a share of the accuracy is kept, found by measuring.
  std::optional<Int8BudgetOptions> budget;
};

struct TfliteQuantizeReport {
  tflite::ConversionReport conversion;
  std::optional<tflite::StaticReport> int8;  // of kInt8Static
  std::optional<Int8Budget> budget;
  double budget_seconds = 0;              // part of `seconds`
  std::int64_t calibration_pictures = 0;  // 0: not calibrated here
  double calibration_seconds = 0;         // part of `seconds`
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  double seconds = 0;
};

// Writes `out` whole or not at all. Errors name the file: those of tflite::parse and of the conversion;
// those of calibrate_detector and find_int8_budget; kCorrupt for a pattern that is none; kInvalidArgument
// when `out` is the model itself; kIo.
Result<TfliteQuantizeReport> quantize_tflite(const std::filesystem::path& model,
                                             const std::filesystem::path& out,
                                             const TfliteQuantizeOptions& options, ThreadPool& pool,
                                             Progress& progress);

}  // namespace assay
