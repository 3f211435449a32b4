#include "flow/evaluate_coco.h"

#include <algorithm>

#include "base/interrupt.h"
#include "base/mapped_file.h"
#include "base/rng.h"
#include "eval/coco/readers.h"

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

// Where each image's boxes are, so that a draw need not search for them.
template <typename Box>
std::vector<std::vector<Box>> by_image(const std::vector<Box>& boxes, std::size_t images) {
  std::vector<std::vector<Box>> lists(images);
  for (const auto& box : boxes) lists[static_cast<std::size_t>(box.image)].push_back(box);
  return lists;
}

template <typename Box>
void append(const std::vector<Box>& boxes, std::int32_t image, std::vector<Box>& all) {
  for (Box box : boxes) {
    box.image = image;
    all.push_back(box);
  }
}

}  // namespace

Result<std::optional<measure::Interval>> bootstrap_average_precision(const coco::Annotations& annotations,
                                                                     const coco::Detections& detections,
                                                                     int resamples, std::uint64_t seed,
                                                                     ThreadPool& pool) {
  const std::size_t count = annotations.images.size();
  if (count == 0 || resamples < 1) return std::optional<measure::Interval>();
  const auto truths = by_image(annotations.boxes, count);
  const auto found = by_image(detections.boxes, count);
  coco::EvaluationOptions options;
  options.areas.resize(1);  // sizes are not asked for here
  Rng rng(seed);
  std::vector<double> values;
  for (int round = 0; round < resamples; ++round) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    coco::Annotations drawn;
    coco::Detections drawn_detections;
    drawn.categories = annotations.categories;
    for (std::size_t i = 0; i < count; ++i) {
      const auto picked = static_cast<std::size_t>(rng.below(count));
      const auto image = static_cast<std::int32_t>(i);
      drawn.images.emplace_back(static_cast<std::int64_t>(i + 1));
      append(truths[picked], image, drawn.boxes);
      append(found[picked], image, drawn_detections.boxes);
    }
    ASSAY_TRY(const coco::CocoRecord record, coco::evaluate(drawn, drawn_detections, options, pool));
    if (record.ap >= 0) values.push_back(record.ap);
  }
  if (values.empty()) return std::optional<measure::Interval>();
  return std::optional(
      measure::Interval{measure::percentile(values, 2.5), measure::percentile(values, 97.5)});
}

Result<CocoEvaluation> evaluate_coco(Detector& detector, const CocoEvaluationOptions& options,
                                     ThreadPool& pool, Progress& progress) {
  ASSAY_TRY(Truth truth, read_truth(options));
  CocoEvaluation result;
  result.warnings = std::move(truth.warnings);
  ASSAY_TRY(result.run, detect_coco(detector, truth.images, options.pictures, progress));
  const auto detections = positions_of(result.run, truth.annotations, result.warnings);
  ASSAY_TRY(result.record, coco::evaluate(truth.annotations, detections, {}, pool));
  ASSAY_TRY(result.ap_interval, bootstrap_average_precision(truth.annotations, detections, options.resamples,
                                                            options.seed, pool));
  return result;
}

}  // namespace assay
