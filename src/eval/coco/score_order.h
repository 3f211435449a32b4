// By what pycocotools sorts: numpy's stable argsort of negated scores, whose type numpy picks.
//
// Python's json keeps integers as integers. numpy makes an array of int64 of a list of them, of uint64 where
// all are in [2^63, 2^64), of Python objects where one lies beyond, and of doubles otherwise. Integers beyond
// 2^53 that are distinct as integers may be equal as doubles, so the type decides their order. For internal
// use.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "eval/coco/coco.h"

namespace assay::eval::coco {

// Best first; NaN last; of equal scores the earlier index first. `order` holds detection indices of one image
// and category, ascending.
void sort_within_image(const Detections& detections, std::span<std::uint32_t> order);

// Detections of one category, the kept ones of each image best first, images ascending. Positions into
// `detections` of the best first.
struct RankedDetection {
  std::uint32_t detection;
  std::int32_t image;
};
// `empty_images`: whether an image of the category has truth and no detection (which makes doubles of all
// scores).
std::vector<std::uint32_t> sort_across_images(const Detections& detections,
                                              std::span<const RankedDetection> ranked, bool empty_images);

}  // namespace assay::eval::coco
