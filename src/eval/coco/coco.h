// Truth and detections, as boxes on numbered images and categories. To link against: docs/coco.md.
//
// Boxes are x, y (left, top), width, height in pixels, as COCO has them; any double is allowed, NaN and
// infinities included. Plain values: reading from several threads is safe, writing is not.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "eval/coco/object_id.h"

namespace assay::eval::coco {

struct Category {
  ObjectId id;
  std::string name;  // may be empty
};

struct TruthBox {
  std::int32_t image = 0;     // index into Annotations::images
  std::int32_t category = 0;  // index into Annotations::categories
  double x = 0, y = 0, width = 0, height = 0;
  double area = 0;          // decides the size class; COCO has the area of the segment here, not of the box
  bool crowd = false;       // may match many detections; the overlap is relative to the detection's area
  bool ignore = false;      // its detections count neither as hits nor as misses. COCO's readers: iscrowd
  bool id_is_zero = false;  // pycocotools records a match by the id of the annotation, so one with id 0 never
                            // counts as found by a detection, while it is taken all the same
};

// Images and categories must be ascending and each listed once: their order is the order of evaluation.
// Within an image, boxes are taken in the order given.
struct Annotations {
  std::vector<ObjectId> images;
  std::vector<Category> categories;
  std::vector<TruthBox> boxes;
  // Images and categories of the file that pycocotools knows and never looks at (see read_annotations).
  std::vector<ObjectId> unevaluated_images;
};

struct Detection {
  std::int32_t image = 0;     // index into Annotations::images
  std::int32_t category = 0;  // index into Annotations::categories
  double x = 0, y = 0, width = 0, height = 0;
  double score = 0;  // NaN ranks last
};

// Integer scores beyond 2^53, which pycocotools orders exactly under some conditions (score_order.h). Empty
// in nearly every case, and always where scores come from a model.
struct ExactScores {
  std::vector<std::uint8_t> is_integer;                  // per detection, whether its score is an integer
  std::unordered_map<std::uint32_t, __int128> integers;  // detection -> score, for those beyond +-2^53
  bool empty() const { return integers.empty(); }
};

struct Detections {
  std::vector<Detection> boxes;
  ExactScores exact_scores;
};

// By id, ascending lists searched in logarithmic time.
std::optional<std::int32_t> find_image(const Annotations& annotations, const ObjectId& id);
std::optional<std::int32_t> find_category(const Annotations& annotations, const ObjectId& id);

}  // namespace assay::eval::coco
