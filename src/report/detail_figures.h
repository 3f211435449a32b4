// Figures that look inside: categories, sizes of objects, layers, single inferences, pictures.
#pragma once
#include <optional>
#include <vector>

#include "report/vega.h"

namespace assay::report {

// Change of AP by category: the categories in which a variant differs most.
std::optional<Figure> category_figure(const std::vector<Model>& detectors, const Style& style);
// AP of small, medium and large objects, and at two overlaps.
std::optional<Figure> object_size_figure(const std::vector<Model>& detectors, const Style& style);
// Share of inferences that took at most so long.
std::optional<Figure> latency_figure(const std::vector<Model>& detectors, const Style& style);
// One per model: error of each layer's outputs.
std::vector<Figure> layer_figures(const std::vector<Model>& llms, const Style& style);
// One per model: what it found on a picture, variant by variant.
std::vector<Figure> drawing_figures(const std::vector<Model>& detectors);

}  // namespace assay::report
