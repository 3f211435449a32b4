// Accuracy against a cost (size, time): points with intervals, a line per model, the Pareto front.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "report/vega.h"

namespace assay::report {

struct ScatterPlot {
  std::string id, title, caption, alt_subject;
  Axis x, y;                   // x logarithmic
  bool less_is_better = true;  // of x; the front is drawn for either
};

// Variants without x or accuracy are left out; the caption of the caller says where they are listed.
using CostOf = std::function<std::optional<Estimate>(const Model&, const Variant&)>;

std::optional<Estimate> size_in_megabytes(const Model& model, const Variant& variant);
// Seconds per picture of "inference", tokens per second of "generate" and "prompt".
CostOf median_speed(const std::string& test);

// Nothing for fewer than two points.
std::optional<Figure> scatter_figure(const ScatterPlot& plot, const std::vector<Model>& models,
                                     const CostOf& cost, const Style& style);

}  // namespace assay::report
