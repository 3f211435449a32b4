// Result files against an annotation file: no model runs.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/coco/bootstrap.h"
#include "eval/coco/error_analysis.h"
#include "eval/coco/evaluate.h"
#include "eval/coco/readers.h"

namespace assay {

struct DetectionsRequest {
  std::filesystem::path annotations;
  std::filesystem::path detections;
  std::optional<std::filesystem::path> compare;  // a second result file
  eval::coco::EvaluationOptions options;
  // Resamples for intervals, 0: none. A comparison always resamples, 1000 times if this is 0.
  int resamples = 0;
  std::uint64_t seed = 1;
  bool errors = false;  // analyse the mistakes of `detections`
};

struct DetectionsRun {
  eval::coco::CocoRecord record;
  std::optional<eval::coco::BootstrapRecord> intervals;
  std::optional<eval::coco::PairedRecord> comparison;  // `compare` is the second
  std::optional<eval::coco::ErrorAnalysis> errors;
  std::vector<std::string> warnings;  // each names its file
  double seconds = 0;                 // reading included
};

// Appends the file's warnings to `warnings`, each behind the path. Errors: those of the readers behind the
// path, and of opening.
Result<eval::coco::Annotations> load_annotations(const std::filesystem::path& path,
                                                 std::vector<std::string>& warnings);
Result<eval::coco::Detections> load_detections(const std::filesystem::path& path,
                                               const eval::coco::Annotations& annotations, ThreadPool& pool,
                                               std::vector<std::string>& warnings);

Result<DetectionsRun> run_detections(const DetectionsRequest& request, ThreadPool& pool);

}  // namespace assay
