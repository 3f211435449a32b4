// How far figures would move on other images of the same kind.
#pragma once
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/coco/coco.h"
#include "eval/coco/evaluate.h"

namespace assay::eval::coco {

struct BootstrapOptions {
  int resamples = 1000;  // >= 2
  std::uint64_t seed = 1;
  double confidence = 0.95;  // in (0, 1)
};

struct Interval {
  double low = -1;
  double high = -1;
  double standard_error = 0;  // deviation over the resamples
};

struct BootstrapRecord {
  Interval ap, ap50, ap75;
  std::vector<Interval> areas;  // AP, in the order of the options
};

struct PairedFigure {
  double first = -1;
  double second = -1;
  double difference = 0;  // second - first
  Interval interval;      // of the difference
  // Two-sided: twice the share of resamples whose difference is on the other side of zero, or zero; at least
  // 2 / resamples, at most 1.
  double p_value = 1;
};

struct PairedRecord {
  PairedFigure ap, ap50, ap75;
  std::vector<PairedFigure> areas;
};

// Percentile intervals over resamples of whole images with replacement, as many as there are; boxes of an
// image stay together. An image drawn n times counts n times, each of its detections n times in a row in the
// ranking. A category without truth in a resample is left out of the mean there. Each resample has random
// numbers of its own (from seed and its number), so the result depends neither on the number of threads nor,
// for the first n, on how many there are. Errors: as evaluate(), and kInvalidArgument for options out of
// range.
Result<BootstrapRecord> bootstrap(const Annotations& annotations, const Detections& detections,
                                  const EvaluationOptions& options, const BootstrapOptions& bootstrap_options,
                                  ThreadPool& pool);

// Both results on the same resamples, so that what is hard about an image cancels out.
Result<PairedRecord> bootstrap_paired(const Annotations& annotations, const Detections& first,
                                      const Detections& second, const EvaluationOptions& options,
                                      const BootstrapOptions& bootstrap_options, ThreadPool& pool);

}  // namespace assay::eval::coco
