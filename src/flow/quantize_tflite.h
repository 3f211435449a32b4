// A .tflite file in, a smaller one out.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "quant/tflite/convert.h"

namespace assay {

enum class TfliteTarget { kFloat32, kFloat16, kInt8Dynamic, kInt8WeightOnly };

struct TfliteQuantizeOptions {
  TfliteTarget target = TfliteTarget::kFloat16;
  // Regular expressions, found anywhere in "CONV_2D name/of/the/output": such operators stay in float.
  std::vector<std::string> keep_float;
};

struct TfliteQuantizeReport {
  tflite::ConversionReport conversion;
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  double seconds = 0;
};

// Writes `out` whole or not at all. Errors name the file: those of tflite::parse and of the conversion;
// kCorrupt for a pattern that is none; kInvalidArgument when `out` is the model itself; kIo.
Result<TfliteQuantizeReport> quantize_tflite(const std::filesystem::path& model,
                                             const std::filesystem::path& out,
                                             const TfliteQuantizeOptions& options);

}  // namespace assay
