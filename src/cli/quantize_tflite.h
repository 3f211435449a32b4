// The part of `assay quantize` that is about .tflite files.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/command_line.h"
#include "flow/calibrate_detector.h"

namespace assay::cli {

struct TfliteOptions {
  std::string int8;  // empty: static where there is something to calibrate with, else dynamic
  std::vector<std::string> keep_float;
  std::string ranges;
  std::string write_ranges;
  std::string calibration;  // a folder of pictures
  std::int64_t samples = 128;
  std::optional<RangeMethod> range_method;
  bool full_integer = false;
  double least_snr = 20;
  bool int8_io = false;
  bool keep_biases = false;
  std::optional<double> budget;
  std::string annotations, images;  // of --budget
  bool no_speed_check = false;
};

void add_tflite_options(CLI::App& command, TfliteOptions& options);

// `to`: "float32", "float16" or "int8".
Status quantize_tflite_file(const std::filesystem::path& path, const std::string& out, const std::string& to,
                            const TfliteOptions& options, Session& session);

}  // namespace assay::cli
