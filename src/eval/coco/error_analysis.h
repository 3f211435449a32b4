// What the mistakes are, and what each kind costs: TIDE (Bolya et al., ECCV 2020), as tidecv 1.0.1 computes
// it.
#pragma once
#include <array>
#include <cstdint>

#include "base/result.h"
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
  double foreground = 0.5;   // the overlap of a hit
  double background = 0.1;   // below it nothing is there
  int max_detections = 100;  // per image, over all categories
};

struct ErrorAnalysis {
  // At the foreground threshold, as TIDE averages: a category that has detections and no truth counts with 0,
  // where COCO leaves it out. -1 if there is neither truth nor detection.
  double ap = -1;
  struct Kind {
    std::int64_t count = 0;
    double cost = 0;  // by how much AP rises when this alone is put right; never below 0 for a MistakeKind
  };
  std::array<Kind, kMistakeKinds> kinds;  // by MistakeKind
  Kind false_positives;                   // whatever their kind; put right: ranked behind all hits
  Kind false_negatives;                   // truth that nothing found; put right: taken out of the truth
};

// A false positive is the first of localization, class, duplicate, background, both that fits. Put right
// means: the category or box of the truth, if nothing found that and no better mistake belongs to it;
// otherwise, and for the other kinds, the detection is taken out. Missed truth is taken out of the truth.
// Detections in crowds count in no AP; the `count` of a kind has them all the same, and one that is put right
// becomes a hit. Numerics: within 1e-12 of tidecv for finite boxes and scores in [0, 1]; of equal overlaps
// the truth listed first wins. NaN scores rank last. Errors: as evaluate(); kInvalidArgument unless 0 <=
// background < foreground <= 1.
Result<ErrorAnalysis> analyse_errors(const Annotations& annotations, const Detections& detections,
                                     const ErrorAnalysisOptions& options);

}  // namespace assay::eval::coco
