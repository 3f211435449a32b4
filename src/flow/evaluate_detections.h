// Result files against an annotation file: no model runs.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/coco/evaluate.h"
#include "eval/coco/readers.h"

namespace assay {

struct DetectionsRun {
  eval::coco::CocoRecord record;
  std::vector<std::string> warnings;  // each names its file
  double seconds = 0;                 // reading included
};

// Appends the file's warnings to `warnings`, each behind the path. Errors: those of the readers behind the path, and of
// opening.
Result<eval::coco::Annotations> load_annotations(const std::filesystem::path& path, std::vector<std::string>& warnings);
Result<eval::coco::Detections> load_detections(const std::filesystem::path& path,
                                               const eval::coco::Annotations& annotations, ThreadPool& pool,
                                               std::vector<std::string>& warnings);

Result<DetectionsRun> run_detections(const std::filesystem::path& annotations, const std::filesystem::path& detections,
                                     const eval::coco::EvaluationOptions& options, ThreadPool& pool);

}  // namespace assay
