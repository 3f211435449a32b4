#include "flow/evaluate_coco.h"

#include <utility>

#include "base/mapped_file.h"
#include "eval/coco/readers.h"
#include "flow/evaluate_detections.h"

namespace assay {
namespace {

namespace coco = eval::coco;

struct Truth {
  coco::Annotations annotations;
  std::vector<CocoImage> images;
  std::vector<std::string> warnings;
};

// The first `limit` images alone, with what is on them.
void keep_first(std::size_t limit, coco::Annotations& annotations) {
  if (annotations.images.size() <= limit) return;
  annotations.images.resize(limit);
  std::erase_if(annotations.boxes,
                [&](const auto& box) { return static_cast<std::size_t>(box.image) >= limit; });
}

Result<Truth> read_truth(const CocoEvaluationOptions& options) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(options.annotations));
  const std::string name = options.annotations.string();
  auto images = parse_coco_images(file.bytes());
  if (!images) return images.error().with_context(name);
  auto parsed = coco::read_annotations(file.bytes());
  if (!parsed) return parsed.error().with_context(name);
  Truth truth{std::move(parsed->annotations), *std::move(images), std::move(parsed->warnings)};
  if (truth.images.empty()) return Error{ErrorCode::kCorrupt, name + ": lists no images"};
  if (options.limit > 0) {
    const auto limit = static_cast<std::size_t>(options.limit);
    keep_first(limit, truth.annotations);
    if (truth.images.size() > limit) truth.images.resize(limit);
  }
  return truth;
}

// Detections as the evaluator counts them: by position of image and category.
coco::Detections positions_of(const CocoRun& run, const coco::Annotations& annotations,
                              std::vector<std::string>& warnings) {
  coco::Detections detections;
  std::int64_t unknown = 0;
  for (const auto& found : run.detections) {
    const auto image = coco::find_image(annotations, found.image_id);
    const auto category = coco::find_category(annotations, found.category_id);
    if (!image || !category) {
      ++unknown;
      continue;
    }
    detections.boxes.push_back({*image, *category, found.x, found.y, found.width, found.height, found.score});
  }
  if (unknown > 0) {
    warnings.push_back(std::to_string(unknown) +
                       " detections are of categories that the annotations do not list; they do not count");
  }
  if (run.without_category > 0) {
    warnings.push_back(std::to_string(run.without_category) +
                       " detections have class numbers that mean no category; they do not count");
  }
  return detections;
}

}  // namespace

Result<CocoEvaluation> evaluate_coco(Detector& detector, const CocoEvaluationOptions& options,
                                     ThreadPool& pool, Progress& progress) {
  ASSAY_TRY(Truth truth, read_truth(options));
  CocoEvaluation result;
  result.warnings = std::move(truth.warnings);
  // Before the detector runs, perhaps for an hour.
  ASSAY_RETURN_IF_ERROR(check_pictures(truth.images, options.pictures));
  std::vector<detect::NamedCategory> categories;
  for (const auto& category : truth.annotations.categories) {
    // Numbers are what detections carry.
    if (category.id.kind() == coco::ObjectId::Kind::kInteger && std::in_range<int>(category.id.integer()))
      categories.push_back({static_cast<int>(category.id.integer()), category.name});
  }
  const auto classes = detect::match_names(detector.classes(), categories);
  if (!classes) return classes.error().with_context(options.annotations.string());
  ASSAY_TRY(result.run, detect_coco(detector, *classes, truth.images, options.pictures, progress));
  const auto detections = positions_of(result.run, truth.annotations, result.warnings);
  ASSAY_TRY(result.record, coco::evaluate(truth.annotations, detections, {}, pool));
  if (options.resamples > 0) {
    ASSAY_TRY(result.intervals,
              coco::bootstrap(truth.annotations, detections, {}, {.resamples = options.resamples}, pool));
  }
  if (options.resamples > 0 && !options.reference.empty()) {
    ASSAY_TRY(const coco::Detections reference,
              load_detections(options.reference, truth.annotations, pool, result.warnings));
    ASSAY_TRY(result.against_reference, coco::bootstrap_paired(truth.annotations, reference, detections, {},
                                                               {.resamples = options.resamples}, pool));
  }
  return result;
}

}  // namespace assay
