// numpy's mean, to the bit.
#pragma once
#include <cstddef>
#include <span>

namespace assay::eval::coco {

// numpy.add.reduce over contiguous doubles: pairwise, with eight accumulators in blocks of 128.
double numpy_sum(std::span<const double> values);

// numpy.mean; -1 of nothing, as pycocotools has it.
inline double numpy_mean(std::span<const double> values) {
  return values.empty() ? -1 : numpy_sum(values) / static_cast<double>(values.size());
}

}  // namespace assay::eval::coco
