// COCO's annotation and result files, taken as pycocotools 2.0.11 takes them.
//
// Both readers accept what Python's json module accepts in the fields that are used: NaN, Infinity and
// -Infinity, integers of any size, ids that are strings; of equal keys in one object the last counts. Fields
// that are not used are skipped without looking into them.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/coco/coco.h"

namespace assay::eval::coco {

struct AnnotationFile {
  Annotations annotations;
  std::vector<std::string> warnings;
};

// `images` and `categories` are required; `annotations` may be missing. Where nothing is left to find there
// is a warning. As pycocotools:
// - An image or category listed twice is one, the later name counts. An annotation on one that is not listed
// is left
//   out, with a warning. `ignore` has no effect; `iscrowd` sets it.
// - Of annotations with equal ids the last stands for each of them: it is evaluated as often as the id is
// listed.
// - Integer ids above 2^63 beside smaller ones, and integers beside fractions, pass through doubles in numpy;
// those
//   that a double does not hold are never evaluated (Annotations::unevaluated_images), with a warning.
// - `bbox`, `area` and `iscrowd` are looked at only in annotations that are evaluated.
// Errors: kCorrupt, naming record and field, for what is not JSON, has the wrong type or misses a field;
// kInvalidArgument for ids that are in part numbers, in part strings.
Result<AnnotationFile> read_annotations(ByteView file);

struct DetectionFile {
  Detections detections;
  std::vector<std::string> warnings;
};

// Called for parts of the file that have been read, in any order, from any thread; the part may still be read
// again.
using ReleaseBytes = std::function<void(ByteView)>;

// An array of {image_id, category_id, bbox: [x, y, width, height], score}; other fields are ignored. The
// order of the file is kept; detections in categories that `annotations` does not list are left out, with a
// warning. An empty array is no error here, though pycocotools fails on it. The array is parsed in parts on
// all threads; the result does not depend on their number. Errors: kCorrupt, naming the record (from 1) and
// the field; kInvalidArgument for an image that is not listed.
Result<DetectionFile> read_detections(ByteView file, const Annotations& annotations, ThreadPool& pool,
                                      const ReleaseBytes& release = {});

}  // namespace assay::eval::coco
