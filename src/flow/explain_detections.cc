#include "flow/explain_detections.h"

#include "flow/evaluate_detections.h"

namespace assay {

Result<ExplainRun> run_explain(const std::filesystem::path& annotations, const std::filesystem::path& first,
                               const std::filesystem::path& second, double threshold, int max_detections,
                               ThreadPool& pool) {
  ExplainRun run;
  ASSAY_TRY(run.annotations, load_annotations(annotations, run.warnings));
  ASSAY_TRY(run.first, load_detections(first, run.annotations, pool, run.warnings));
  ASSAY_TRY(run.second, load_detections(second, run.annotations, pool, run.warnings));
  ASSAY_TRY(run.explanation,
            eval::coco::explain(run.annotations, run.first, run.second, threshold, max_detections));
  return run;
}

}  // namespace assay
