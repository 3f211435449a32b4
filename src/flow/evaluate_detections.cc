#include "flow/evaluate_detections.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/mapped_file.h"

namespace assay {
namespace {

using namespace eval::coco;

void append(std::vector<std::string>& warnings, const std::filesystem::path& path,
            const std::vector<std::string>& lines) {
  for (const std::string& line : lines) warnings.push_back(path.string() + ": " + line);
}

}  // namespace

Result<Annotations> load_annotations(const std::filesystem::path& path, std::vector<std::string>& warnings) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  auto read = read_annotations(file.bytes());
  if (!read) return read.error().with_context(path.string());
  append(warnings, path, read->warnings);
  return std::move(read->annotations);
}

Result<Detections> load_detections(const std::filesystem::path& path, const Annotations& annotations,
                                   ThreadPool& pool, std::vector<std::string>& warnings) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  auto read = read_detections(file.bytes(), annotations, pool, [&](ByteView part) { file.release(part); });
  if (!read) return read.error().with_context(path.string());
  append(warnings, path, read->warnings);
  return std::move(read->detections);
}

Result<DetectionsRun> run_detections(const DetectionsRequest& request, ThreadPool& pool) {
  const auto start = std::chrono::steady_clock::now();
  constexpr int kResamplesOfComparison = 1000;
  DetectionsRun run;
  ASSAY_TRY(const Annotations annotations, load_annotations(request.annotations, run.warnings));
  ASSAY_TRY(const Detections detections,
            load_detections(request.detections, annotations, pool, run.warnings));
  ASSAY_TRY(run.record, evaluate(annotations, detections, request.options, pool));
  BootstrapOptions bootstrap_options;
  bootstrap_options.seed = request.seed;
  if (request.resamples > 0) {
    bootstrap_options.resamples = request.resamples;
    ASSAY_TRY(run.intervals, bootstrap(annotations, detections, request.options, bootstrap_options, pool));
  }
  if (request.compare) {
    if (request.resamples == 0) bootstrap_options.resamples = kResamplesOfComparison;
    ASSAY_TRY(const Detections second, load_detections(*request.compare, annotations, pool, run.warnings));
    ASSAY_TRY(run.comparison,
              bootstrap_paired(annotations, detections, second, request.options, bootstrap_options, pool));
  }
  if (request.errors) {
    ErrorAnalysisOptions error_options;
    const auto& limits = request.options.max_detections;
    error_options.max_detections = *std::max_element(limits.begin(), limits.end());
    ASSAY_TRY(run.errors, analyse_errors(annotations, detections, error_options));
  }
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return run;
}

}  // namespace assay
