// What the mistakes are, and what each kind costs: in the manner of TIDE (Bolya et al., ECCV 2020).
#pragma once
#include <array>
#include <cstdint>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/coco/coco.h"

namespace assay::eval::coco {

enum class MistakeKind {
  kClass,         // a box of another category was hit
  kLocalization,  // the right category, an overlap between background and foreground
  kBoth,          // neither is right, and yet not background
  kDuplicate,     // a box that a better detection had found
  kBackground,    // nothing is there
  kMissed,        // truth that no detection found, nor would have with its category or box put right
};
inline constexpr std::size_t kMistakeKinds = 6;
inline constexpr std::array<const char*, kMistakeKinds> kMistakeNames = {
    "class", "localization", "both", "duplicate", "background", "missed"};

struct ErrorAnalysisOptions {
  double foreground = 0.5;  // the overlap of a hit
  double background = 0.1;  // below it nothing is there
  int max_detections = 100;
};

struct ErrorAnalysis {
  double ap = -1;  // at the foreground threshold
  struct Kind {
    std::int64_t count = 0;
    double cost = 0;  // by how much AP rises when mistakes of this kind alone are put right
  };
  std::array<Kind, kMistakeKinds> kinds;  // by MistakeKind
};

// A false positive is the first of localization, class, duplicate, background, both that fits; localization
// and class look at truths that nothing found. Put right means: the category or box of the truth, if no
// better detection was given it, otherwise, and for the other kinds, the detection is taken out; missed truth
// is taken out of the truth. Errors: as evaluate(); kInvalidArgument unless 0 <= background < foreground
// <= 1.
Result<ErrorAnalysis> analyse_errors(const Annotations& annotations, const Detections& detections,
                                     const ErrorAnalysisOptions& options, ThreadPool& pool);

}  // namespace assay::eval::coco
