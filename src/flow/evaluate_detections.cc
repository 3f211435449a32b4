#include "flow/evaluate_detections.h"

#include <chrono>
#include <utility>

#include "base/mapped_file.h"

namespace assay {
namespace {

using namespace eval::coco;

void append(std::vector<std::string>& warnings, const std::filesystem::path& path, const std::vector<std::string>& lines) {
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

Result<Detections> load_detections(const std::filesystem::path& path, const Annotations& annotations, ThreadPool& pool,
                                   std::vector<std::string>& warnings) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  auto read = read_detections(file.bytes(), annotations, pool, [&](ByteView part) { file.release(part); });
  if (!read) return read.error().with_context(path.string());
  append(warnings, path, read->warnings);
  return std::move(read->detections);
}

Result<DetectionsRun> run_detections(const std::filesystem::path& annotation_path,
                                     const std::filesystem::path& detection_path, const EvaluationOptions& options,
                                     ThreadPool& pool) {
  const auto start = std::chrono::steady_clock::now();
  DetectionsRun run;
  ASSAY_TRY(const Annotations annotations, load_annotations(annotation_path, run.warnings));
  ASSAY_TRY(const Detections detections, load_detections(detection_path, annotations, pool, run.warnings));
  ASSAY_TRY(run.record, evaluate(annotations, detections, options, pool));
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return run;
}

}  // namespace assay
