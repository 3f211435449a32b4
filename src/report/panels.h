// Figures with one panel per model and one row per variant: points with intervals, or bars.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "report/vega.h"

namespace assay::report {

struct PanelCell {
  std::optional<Estimate> value;
  std::string label;  // the value as the report prints it; where there is none, why
};

struct PanelPlot {
  std::string id, title, caption;
  std::string alt_subject;  // "Average precision": begins the alt text
  Axis axis;
  bool bars = false;          // from 0; never logarithmic
  bool choose_axis = false;   // logarithmic where the values span more than a factor of 8
  std::vector<double> lines;  // dashed, across all rows
};

// nullopt: the variant has no row (the reference, in figures of differences).
using CellOf = std::function<std::optional<PanelCell>(const Model&, const Variant&)>;

// Nothing where no cell has a value. A value of 0 or below on a logarithmic axis is printed, not drawn.
std::optional<Figure> panel_figure(const PanelPlot& plot, const std::vector<Model>& models,
                                   const CellOf& cell, const Style& style);

}  // namespace assay::report
