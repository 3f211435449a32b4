// Data that this project wrote itself and that the program carries (models/).
#pragma once
#include <string_view>

#include "flow/builtin_files.h"

namespace assay::cli {

// Cloze passages, one JSON object per line.
std::string_view builtin_cloze();

// Plain text to calibrate on.
std::string_view builtin_calibration();

// COCO annotations for the pictures of the set "faces".
std::string_view builtin_faces();

// models/mini-detr: config.json, preprocessor_config.json, model.safetensors.
std::string_view builtin_mini_detr_config();
std::string_view builtin_mini_detr_processor();
std::string_view builtin_mini_detr_weights();

// models/grid/carbon_intensity.csv.
std::string_view builtin_grid();

inline BuiltinFiles builtin_files() {
  return {as_bytes(builtin_faces()), as_bytes(builtin_mini_detr_config()),
          as_bytes(builtin_mini_detr_processor()), as_bytes(builtin_mini_detr_weights())};
}

inline constexpr const char* kBuiltinClozeName = "cloze (built in)";
inline constexpr const char* kBuiltinCalibrationName = "calibration text (built in)";

}  // namespace assay::cli
