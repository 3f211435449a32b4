// One detector against its own quantizations: average precision, size and latency of each, measured on the
// same pictures.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/coco/bootstrap.h"
#include "eval/coco/evaluate.h"
#include "flow/time_in_rounds.h"

namespace assay {

struct DetectorStudyOptions {
  std::filesystem::path pictures;     // the folder that the annotations' file names are relative to
  std::filesystem::path annotations;  // COCO's instances_*.json
  std::filesystem::path calibration;  // a folder of pictures; must hold none of those evaluated on
  int resamples = 1000;               // of the intervals, >= 2
  RoundOptions timing;
};

// What was measured of one variant.
struct DetectorStudyRow {
  std::string variant;       // "float32", "float16", "int8-static", "int8-dynamic"
  bool dequantized = false;  // float32 alone: the source holds narrower constants, whose values these are
  std::uint64_t bytes = 0;
  double quantization_seconds = 0;
  std::uint64_t float_operators = 0;  // of int8-static: operators that stay in float
  eval::coco::CocoRecord record;
  eval::coco::BootstrapRecord intervals;                  // 95 %, over pictures
  std::optional<eval::coco::PairedRecord> against_float;  // second - first, first: float32
  std::vector<RoundTimes> times;                          // one per number of threads
};

struct DetectorStudy {
  std::vector<DetectorStudyRow> rows;  // float32 first
  std::int64_t calibration_pictures = 0;
  bool resumed = false;  // at least one row was measured by an earlier run
  std::vector<std::string> warnings;
};

// Quantizes `source` into `folder`/<variant>.tflite. What each found is kept as `folder`/<variant>.json and
// the times, which are taken of all of them in turns, as `folder`/times.json, so that the same call goes on
// where an interrupted one stopped; files of other data or settings are made anew. Before each variant and
// before the timing `announce` hears what comes. Errors: kInvalidArgument when a picture is in both sets
// (same bytes); those of quantize_tflite, evaluation and timing; kIo.
Result<DetectorStudy> run_detector_study(const std::filesystem::path& source,
                                         const std::filesystem::path& folder,
                                         const DetectorStudyOptions& options,
                                         const std::function<void(const std::string&)>& announce,
                                         ThreadPool& pool, Progress& progress);

}  // namespace assay
