// Non-maximum suppression as torchvision does it on a CPU.
#pragma once
#include <cstddef>
#include <vector>

namespace assay::detect {

// A box that may become a detection; corners in pixels of the model's input.
struct Candidate {
  float left, top, right, bottom;
  float score;
  int class_index;
};

// How classes are kept apart. Detectors in PyTorch move each class away from the others by an offset and
// suppress once; the offset costs float precision, which decides near the threshold, so it is part of the
// method.
enum class ClassSeparation {
  kNone,               // class-agnostic
  kTorchvision,        // batched_nms: offset of the largest coordinate + 1 up to 1,000 boxes, exact beyond
  kLargestCoordinate,  // that offset up to 10,000 boxes, exact beyond: mmdetection, NanoDet
  kUltralytics,        // offset of 7680 pixels
  kExact,
};

// Positions of the survivors in `candidates`, best score first, ties in the order given. A box goes when its
// intersection over union with a better one of its class is over `iou_threshold`, in float arithmetic.
// REQUIRES: finite boxes. Thread safe. Source: torchvision/csrc/ops/cpu/nms_kernel.cpp,
// torchvision/ops/boxes.py.
std::vector<std::size_t> suppress(const std::vector<Candidate>& candidates, double iou_threshold,
                                  ClassSeparation separation);

// Instead of dropping what overlaps the best box, averages it: the best remaining box takes all that overlap
// it by more than `iou_threshold`, itself included, and becomes their mean weighted by the scores; its score
// and class stay. Best score first. For candidates of one class. REQUIRES: finite boxes, scores over 0.
// Thread safe. Source: mediapipe/calculators/util/non_max_suppression_calculator.cc, WEIGHTED.
std::vector<Candidate> merge_overlapping(const std::vector<Candidate>& candidates, double iou_threshold);

// The order in which `suppress` visits: scores descending, ties in the order given.
std::vector<std::size_t> by_score(const std::vector<Candidate>& candidates);

}  // namespace assay::detect
