// Why two results on the same truth differ, image by image.
#pragma once
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "eval/coco/coco.h"

namespace assay::eval::coco {

// A truth box that one of the results found and the other did not.
struct FoundByOne {
  std::uint32_t truth = 0;      // index into Annotations::boxes
  std::uint32_t detection = 0;  // index into the detections of the result that found it
  double best_overlap =
      0;  // of the other result's detections of that image and category with it; 0: there are none
};

struct ImageDifference {
  std::int32_t image = 0;
  std::int64_t truths = 0;  // to be found
  std::vector<FoundByOne> only_first;
  std::vector<FoundByOne> only_second;
  std::int64_t false_first = 0;  // false positives
  std::int64_t false_second = 0;
};

struct Explanation {
  // Images on which anything differs: those with most truths found by one alone first, then those whose false
  // positives differ most, then in the order of the annotations.
  std::vector<ImageDifference> images;
  std::int64_t same_images = 0;
};

// A hit is what pycocotools takes for one at this overlap, all sizes, `max_detections` per image and
// category. Errors: as evaluate().
Result<Explanation> explain(const Annotations& annotations, const Detections& first, const Detections& second,
                            double threshold, int max_detections);

}  // namespace assay::eval::coco
