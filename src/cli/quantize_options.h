// What `assay quantize` was asked for.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "cli/layer_options.h"
#include "cli/quantize_tflite.h"
#include "flow/best_method.h"
#include "flow/quantize_llm.h"

namespace assay::cli {

struct QuantizeOptions {
  std::string model, out, calibration_file;
  std::string own_text_file;      // what the model wrote to calibrate with, if anything
  bool fills_calibration = true;  // where calibration_file has less than training wants
  bool asymmetric = false;
  bool act_order = false;
  bool no_true_sequential = false;
  std::optional<std::int64_t> group_size;
  std::optional<ScaleSearch> search;
  std::optional<int> effort;
  BestMethod best;  // with what was said of any method: symmetric grids, samples and their length
  LayerOptions layers;
  LlmQuantizeOptions quantize;
  CalibrationOptions calibration;
  std::string to;
  TfliteOptions tflite;
};

}  // namespace assay::cli
