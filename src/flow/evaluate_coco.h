// A detector's average precision on COCO pictures.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/coco/evaluate.h"
#include "flow/detect_coco.h"
#include "measure/statistics.h"

namespace assay {

struct CocoEvaluationOptions {
  std::filesystem::path pictures;     // the folder that file names are relative to
  std::filesystem::path annotations;  // COCO's instances_*.json
  std::int64_t limit = 0;             // only the first so many pictures by id; 0: all
  int resamples = 1000;               // of the confidence interval; 0: none
  std::uint64_t seed = 0;
};

struct CocoEvaluation {
  eval::coco::CocoRecord record;
  std::optional<measure::Interval> ap_interval;  // 95 %, bootstrap over pictures
  CocoRun run;
  std::vector<std::string> warnings;
};

// Errors: those of reading annotations and pictures, naming the file; those of detect_coco.
Result<CocoEvaluation> evaluate_coco(Detector& detector, const CocoEvaluationOptions& options,
                                     ThreadPool& pool, Progress& progress);

// Pictures drawn with replacement, their average precision each time: the middle 95 % of it. A picture that
// is drawn twice counts as two. The same seed gives the same interval on every machine. Nothing when there
// are no pictures or nothing to find. Errors: those of eval::coco::evaluate.
Result<std::optional<measure::Interval>> bootstrap_average_precision(
    const eval::coco::Annotations& annotations, const eval::coco::Detections& detections, int resamples,
    std::uint64_t seed, ThreadPool& pool);

}  // namespace assay
