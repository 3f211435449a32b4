// A detector over a set of COCO pictures.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "flow/coco_images.h"
#include "flow/detector.h"

namespace assay {

// As COCO's result files have it: pixels of the picture, left and top, then size.
struct CocoDetection {
  std::int64_t image_id = 0;
  int category_id = 0;
  double x = 0, y = 0, width = 0, height = 0;
  double score = 0;
};

struct CocoRun {
  std::vector<CocoDetection> detections;  // picture by picture, best first in each
  std::vector<DetectionTimes> times;      // one per picture
  std::int64_t without_category = 0;      // left out: class numbers that mean no category
};

// `classes` gives categories to the detector's classes. Every picture is decoded, run and forgotten, so memory does not grow with their number. Errors: those of
// reading a picture and of running the detector, naming the picture; kInterrupted.
Result<CocoRun> detect_coco(Detector& detector, const detect::ClassMap& classes, std::span<const CocoImage> images,
                            const std::filesystem::path& folder, Progress& progress);

// The result file: a JSON array of {image_id, category_id, bbox, score}; numbers read back as the same
// doubles.
std::string coco_results_json(std::span<const CocoDetection> detections);

}  // namespace assay
