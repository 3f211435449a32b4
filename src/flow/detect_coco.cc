#include "flow/detect_coco.h"

#include <charconv>

#include "base/interrupt.h"
#include "image/decode.h"

namespace assay {
namespace {

// The shortest digits that read back as the same double.
void append(std::string& text, double value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  text.append(digits, end);
}

void add_picture(const CocoImage& image, const PictureDetections& found, const detect::ClassMap& classes,
                 CocoRun& run) {
  for (const auto& box : found.detections) {
    const int category = classes.category_id(box.class_index);
    if (category == detect::ClassMap::kNoCategory) {
      ++run.without_category;
      continue;
    }
    run.detections.push_back({image.id, category, box.left, box.top,
                              static_cast<double>(box.right) - box.left,
                              static_cast<double>(box.bottom) - box.top, box.score});
  }
}

}  // namespace

Result<CocoRun> detect_coco(Detector& detector, const detect::ClassMap& classes, std::span<const CocoImage> images,
                            const std::filesystem::path& folder, Progress& progress) {
  CocoRun run;
  for (const CocoImage& image : images) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const std::filesystem::path path = folder / image.file_name;
    ASSAY_TRY(const Image picture, read_image(path));
    const auto found = detector.detect(picture);
    if (!found) return found.error().with_context(path.string());
    add_picture(image, *found, classes, run);
    run.times.push_back(found->times);
    progress.update("detecting", static_cast<std::int64_t>(run.times.size()),
                    static_cast<std::int64_t>(images.size()));
  }
  return run;
}

std::string coco_results_json(std::span<const CocoDetection> detections) {
  std::string text = "[";
  for (const auto& found : detections) {
    if (text.size() > 1) text += ",\n";
    text += "{\"image_id\": " + std::to_string(found.image_id) +
            ", \"category_id\": " + std::to_string(found.category_id) + ", \"bbox\": [";
    append(text, found.x);
    for (const double number : {found.y, found.width, found.height}) {
      text += ", ";
      append(text, number);
    }
    text += "], \"score\": ";
    append(text, found.score);
    text += "}";
  }
  return text + "]\n";
}

}  // namespace assay
