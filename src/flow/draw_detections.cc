#include "flow/draw_detections.h"

#include <cstdio>
#include <string>

#include "base/atomic_file.h"
#include "image/draw.h"
#include "image/encode.h"

namespace assay {
namespace {

constexpr int kJpegQuality = 90;

std::string label_of(const detect::Detection& found, const detect::ClassMap& classes) {
  char score[16];
  std::snprintf(score, sizeof score, " %.2f", static_cast<double>(found.score));
  return std::string(classes.category_name(found.class_index)) + score;
}

}  // namespace

Status write_drawn(Image picture, const std::vector<detect::Detection>& detections,
                   const detect::ClassMap& classes, const std::filesystem::path& path) {
  const int scale = drawing_scale(picture);
  // The best last, so that it lies on top.
  for (auto found = detections.rbegin(); found != detections.rend(); ++found) {
    const Color color = category_color(found->class_index);
    draw_rectangle(&picture, found->left, found->top, found->right, found->bottom, color, 2 * scale);
    draw_label(&picture, found->left, found->top, label_of(*found, classes), color, scale);
  }
  ASSAY_TRY(const std::string bytes,
            path.extension() == ".png" ? encode_png(picture) : encode_jpeg(picture, kJpegQuality));
  return write_file_atomically(path, bytes);
}

}  // namespace assay
