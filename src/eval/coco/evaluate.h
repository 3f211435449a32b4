// Average precision and recall of boxes, equal to pycocotools 2.0.11 (COCOeval, iouType 'bbox') in every bit.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/coco/coco.h"

namespace assay::eval::coco {

// Both ends belong to the range, so an area of exactly 32 * 32 is small and medium.
struct AreaRange {
  std::string name;
  double min = 0;
  double max = 0;
};

// COCO's ten thresholds as numpy.linspace makes them; 0.9 among them is not the double nearest to 0.9.
std::vector<double> coco_iou_thresholds();
// all, small, medium, large.
std::vector<AreaRange> coco_area_ranges();

struct EvaluationOptions {
  std::vector<double> iou_thresholds = coco_iou_thresholds();  // at most 64
  std::vector<AreaRange> areas =
      coco_area_ranges();                          // the first is what AP, AP50, AP75 and recalls are about
  std::vector<int> max_detections = {1, 10, 100};  // per image and category; sorted before use
};

// The recalls at which precision is read: i * 0.01 for i in [0, 101).
inline constexpr int kRecallLevels = 101;

// What COCOeval.accumulate leaves, at the largest of max_detections; -1 where a category has nothing to find.
struct Curves {
  std::size_t thresholds = 0, categories = 0, areas = 0, limits = 0;
  std::vector<double> precision;  // [threshold][recall level][category][area]
  std::vector<double> recall;     // [threshold][category][area][limit]

  std::size_t precision_at(std::size_t t, std::size_t r, std::size_t k, std::size_t a) const {
    return ((t * kRecallLevels + r) * categories + k) * areas + a;
  }
  std::size_t recall_at(std::size_t t, std::size_t k, std::size_t a, std::size_t m) const {
    return ((t * categories + k) * areas + a) * limits + m;
  }
};

// Every figure is -1 where there is nothing to find, as in pycocotools.
struct AreaFigures {
  std::string name;
  double ap = -1;
  double ar = -1;  // at the largest of max_detections
};

struct RecallFigure {
  int max_detections = 0;
  double ar = -1;
};

struct CategoryFigures {
  Category category;
  double ap = -1, ap50 = -1, ap75 = -1;
  std::vector<AreaFigures> areas;
  std::int64_t truths = 0;      // neither crowd nor ignored
  std::int64_t detections = 0;  // in the input
};

// Precision is always that at the largest of max_detections; pycocotools prints -1 where 100 is not among
// them.
struct CocoRecord {
  double ap = -1;    // mean over thresholds, recall levels and categories
  double ap50 = -1;  // at the threshold 0.5; -1 where that is not among the thresholds
  double ap75 = -1;
  std::vector<AreaFigures> areas;     // in the order of the options
  std::vector<RecallFigure> recalls;  // by max_detections, ascending
  std::int64_t images = 0;
  std::vector<CategoryFigures> categories;
};

// Errors: kInvalidArgument for no or more than 64 thresholds, no area range, no or non-positive
// max_detections, and, naming the index, for a box on an image or category that does not exist. Numerics: no
// operation is contracted or reordered; the result does not depend on the number of threads. Memory: about 16
// bytes per detection and area range of the largest categories, beside the inputs.
Result<CocoRecord> evaluate(const Annotations& annotations, const Detections& detections,
                            const EvaluationOptions& options, ThreadPool& pool);

// The two halves of evaluate(), for those who want the curves.
Result<Curves> evaluate_curves(const Annotations& annotations, const Detections& detections,
                               const EvaluationOptions& options, ThreadPool& pool);
CocoRecord summarize(const Curves& curves, const Annotations& annotations, const Detections& detections,
                     const EvaluationOptions& options);

}  // namespace assay::eval::coco
