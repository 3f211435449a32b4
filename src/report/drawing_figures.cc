#include <filesystem>

#include "report/detail_figures.h"

namespace assay::report {

std::vector<Figure> drawing_figures(const std::vector<Model>& detectors) {
  std::vector<Figure> figures;
  for (std::size_t i = 0; i < detectors.size(); ++i) {
    const Model& model = detectors[i];
    // The first picture that was drawn; the same for all variants.
    std::string source;
    Figure figure{
        "detector-drawing-" + std::to_string(i + 1), "Detections by " + model.name, "", "", {}, {}, {}, {}};
    for (const Variant& variant : model.variants) {
      for (const Drawing& drawing : variant.drawings) {
        if (drawing.image.empty()) continue;
        if (source.empty()) source = drawing.source;
        if (drawing.source != source) continue;
        const std::string count =
            std::to_string(drawing.detections) + (drawing.detections == 1 ? " detection" : " detections");
        figure.pictures.push_back({drawing.image, variant.name + ": " + count});
        figure.rows.push_back({{"model", model.name},
                               {"variant", variant.name},
                               {"picture", source},
                               {"detections", drawing.detections}});
        break;
      }
    }
    if (figure.pictures.empty()) continue;
    const std::string name = std::filesystem::path(source).filename().string();
    figure.caption = "What " + model.name + " finds on one picture" +
                     (name.empty() ? "" : " (" + name + ")") +
                     ", variant by variant. One picture is an illustration, not a measurement.";
    figure.alt = "The same picture with the boxes that each variant of " + model.name + " finds:";
    for (std::size_t k = 0; k < figure.pictures.size(); ++k)
      figure.alt += (k == 0 ? " " : "; ") + figure.pictures[k].label;
    figure.alt += ".";
    figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace assay::report
