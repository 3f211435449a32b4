// Two result files on the same annotations: what differs, with the names that people know.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/coco/explain.h"

namespace assay {

struct ExplainRun {
  eval::coco::Annotations annotations;
  eval::coco::Detections first, second;
  eval::coco::Explanation explanation;
  std::vector<std::string> warnings;  // each names its file
};

// Errors: those of load_annotations, load_detections and explain.
Result<ExplainRun> run_explain(const std::filesystem::path& annotations, const std::filesystem::path& first,
                               const std::filesystem::path& second, double threshold, int max_detections,
                               ThreadPool& pool);

}  // namespace assay
