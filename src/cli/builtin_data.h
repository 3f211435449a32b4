// Data that this project wrote itself and that the program carries (models/cloze, models/faces).
#pragma once
#include <string_view>

namespace assay::cli {

// Cloze passages, one JSON object per line.
std::string_view builtin_cloze();

// Plain text to calibrate on.
std::string_view builtin_calibration();

// COCO annotations for the pictures of the set "faces".
std::string_view builtin_faces();

// models/grid/carbon_intensity.csv.
std::string_view builtin_grid();

inline constexpr const char* kBuiltinClozeName = "cloze (built in)";
inline constexpr const char* kBuiltinCalibrationName = "calibration text (built in)";

}  // namespace assay::cli
