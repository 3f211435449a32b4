#include <algorithm>
#include <optional>

#include "eval/coco/evaluate.h"
#include "eval/coco/mean.h"

namespace assay::eval::coco {
namespace {

// A range of indices; all of them, or one.
struct Range {
  std::size_t begin, end;
};

// Means over slices of the curves, taken in numpy's C order, cells without anything to find left out.
class Summary {
 public:
  explicit Summary(const Curves& curves) : curves_(curves) {}

  Range all_thresholds() const { return {0, curves_.thresholds}; }
  Range all_categories() const { return {0, curves_.categories}; }

  double precision(Range thresholds, Range categories, std::size_t area) {
    values_.clear();
    for (std::size_t t = thresholds.begin; t < thresholds.end; ++t) {
      for (std::size_t r = 0; r < kRecallLevels; ++r) {
        for (std::size_t k = categories.begin; k < categories.end; ++k)
          take(curves_.precision[curves_.precision_at(t, r, k, area)]);
      }
    }
    return numpy_mean(values_);
  }

  double recall(Range categories, std::size_t area, std::size_t limit) {
    values_.clear();
    for (std::size_t t = 0; t < curves_.thresholds; ++t) {
      for (std::size_t k = categories.begin; k < categories.end; ++k)
        take(curves_.recall[curves_.recall_at(t, k, area, limit)]);
    }
    return numpy_mean(values_);
  }

 private:
  void take(double value) {
    if (value > -1) values_.push_back(value);
  }

  const Curves& curves_;
  std::vector<double> values_;
};

// Empty where the threshold is not among them.
Range threshold_range(const std::vector<double>& thresholds, double wanted) {
  const auto at = std::find(thresholds.begin(), thresholds.end(), wanted);
  if (at == thresholds.end()) return {0, 0};
  const auto index = static_cast<std::size_t>(at - thresholds.begin());
  return {index, index + 1};
}

std::vector<AreaFigures> area_figures(Summary& summary, Range categories, const EvaluationOptions& options) {
  std::vector<AreaFigures> figures;
  for (std::size_t a = 0; a < options.areas.size(); ++a) {
    figures.push_back({options.areas[a].name, summary.precision(summary.all_thresholds(), categories, a),
                       summary.recall(categories, a, options.max_detections.size() - 1)});
  }
  return figures;
}

}  // namespace

CocoRecord summarize(const Curves& curves, const Annotations& annotations, const Detections& detections,
                     const EvaluationOptions& options) {
  CocoRecord record;
  Summary summary(curves);
  const Range at50 = threshold_range(options.iou_thresholds, 0.5);
  const Range at75 = threshold_range(options.iou_thresholds, 0.75);
  record.areas = area_figures(summary, summary.all_categories(), options);
  record.ap = record.areas.front().ap;
  record.ap50 = summary.precision(at50, summary.all_categories(), 0);
  record.ap75 = summary.precision(at75, summary.all_categories(), 0);
  std::vector<int> limits = options.max_detections;
  std::sort(limits.begin(), limits.end());
  for (std::size_t m = 0; m < limits.size(); ++m)
    record.recalls.push_back({limits[m], summary.recall(summary.all_categories(), 0, m)});
  record.images = static_cast<std::int64_t>(annotations.images.size());
  for (std::size_t k = 0; k < annotations.categories.size(); ++k) {
    const Range category{k, k + 1};
    CategoryFigures figures;
    figures.category = annotations.categories[k];
    figures.areas = area_figures(summary, category, options);
    figures.ap = figures.areas.front().ap;
    figures.ap50 = summary.precision(at50, category, 0);
    figures.ap75 = summary.precision(at75, category, 0);
    record.categories.push_back(std::move(figures));
  }
  for (const TruthBox& box : annotations.boxes)
    record.categories[static_cast<std::size_t>(box.category)].truths += !box.ignore;
  for (const Detection& detection : detections.boxes)
    ++record.categories[static_cast<std::size_t>(detection.category)].detections;
  return record;
}

}  // namespace assay::eval::coco
