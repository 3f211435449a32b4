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
#include "eval/coco/bootstrap.h"
#include "eval/coco/evaluate.h"
#include "flow/detect_coco.h"

namespace assay {

struct CocoEvaluationOptions {
  std::filesystem::path pictures;     // the folder that file names are relative to
  std::filesystem::path annotations;  // COCO's instances_*.json
  std::int64_t limit = 0;             // only the first so many pictures by id; 0: all
  int resamples = 1000;               // of the confidence intervals, >= 2; 0: none
  // A result file of another model on the same pictures, to compare with; empty: none. Needs resamples.
  std::filesystem::path reference;
};

struct CocoEvaluation {
  eval::coco::CocoRecord record;
  std::optional<eval::coco::BootstrapRecord> intervals;  // 95 %, over pictures
  std::optional<eval::coco::PairedRecord> against_reference;      // the reference is the first
  CocoRun run;
  std::vector<std::string> warnings;
};

// Errors: those of reading annotations and pictures, naming the file; those of detect_coco.
Result<CocoEvaluation> evaluate_coco(Detector& detector, const CocoEvaluationOptions& options,
                                     ThreadPool& pool, Progress& progress);

}  // namespace assay
