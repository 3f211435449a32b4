// Which detection found what, category by category. For internal use: evaluate.h, bootstrap.h and
// error_analysis.h.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/coco/coco.h"
#include "eval/coco/evaluate.h"

namespace assay::eval::coco {

// Options with max_detections ascending. Errors: as evaluate().
Result<EvaluationOptions> checked_options(const EvaluationOptions& options);
Status check_indices(const Annotations& annotations, const Detections& detections);

// Items (boxes or detections) by category, then image, then their own order.
class Buckets {
 public:
  template <typename Item>
  Buckets(std::span<const Item> items, std::size_t images, std::size_t categories);
  std::span<const std::uint32_t> of_category(std::size_t k) const {
    return std::span(order_).subspan(begin_[k], begin_[k + 1] - begin_[k]);
  }

 private:
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> begin_;
};

// pycocotools' bbIou: `crowd` makes the overlap relative to the detection's area.
double overlap(const Detection& detection, const TruthBox& truth, bool crowd);

// A detection and, per threshold (a bit), whether it is a hit, or does not count.
struct Outcome {
  std::uint64_t hit = 0;
  std::uint64_t ignored = 0;
};

struct CategoryMatches {
  struct Entry {
    std::uint32_t detection;
    std::int32_t image;
    std::int32_t rank;  // in its image and category, from 0
  };
  struct ImageTruths {
    std::int32_t image;
    std::int32_t count;
  };
  std::vector<Entry> entries;                  // by image, then best first
  std::vector<std::uint32_t> ranking;          // positions in `entries`, best first across images
  std::vector<std::vector<Outcome>> outcomes;  // [area][position in entries]
  std::vector<std::int32_t> found;  // [position]: the truth taken at the first threshold in the first
                                    // area range, an index into Annotations::boxes; -1: none
  std::vector<std::vector<ImageTruths>> truths;  // [area]: what there is to find, for images that have any
  std::vector<std::int64_t> num_truths;          // [area]
};

class Matcher {
 public:
  // All must outlive the matcher. REQUIRES: checked options and indices.
  Matcher(const Annotations& annotations, const Detections& detections, const EvaluationOptions& options);
  // Thread safe.
  CategoryMatches match(std::size_t category) const;

 private:
  struct Cell;
  void match_cell(Cell& cell, CategoryMatches& out) const;
  void match_area(Cell& cell, std::size_t area, CategoryMatches& out) const;
  void order_truths(Cell& cell, std::size_t area) const;
  void match_threshold(Cell& cell, std::size_t t, std::span<Outcome> outcomes, std::int32_t* found) const;

  const Annotations& annotations_;
  const Detections& detections_;
  const EvaluationOptions& options_;
  Buckets truth_buckets_;
  Buckets detection_buckets_;
  const double lowest_threshold_;
};

}  // namespace assay::eval::coco
