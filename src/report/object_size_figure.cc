#include <algorithm>
#include <map>

#include "report/detail_figures.h"

namespace assay::report {
namespace {

const std::vector<std::pair<const char*, const char*>> kMetrics{{"AP50", "overlap 0.5"},
                                                                {"AP75", "overlap 0.75"},
                                                                {"APs", "small objects"},
                                                                {"APm", "medium objects"},
                                                                {"APl", "large objects"}};

}  // namespace

std::optional<Figure> object_size_figure(const std::vector<Model>& detectors, const Style& style) {
  Figure figure{"detector-objects", "AP by overlap and size of object", "", "", {}, {}, {}, {}};
  std::vector<std::string> metrics;
  double high = 0;
  std::map<std::string, bool> present;
  for (const Model& model : detectors) {
    for (const Variant& variant : model.variants) {
      for (const auto& [name, label] : kMetrics) {
        const Estimate* estimate = variant.other(name);
        if (estimate == nullptr) continue;
        figure.rows.push_back({{"model", model.name},
                               {"variant", variant.name},
                               {"metric", label},
                               {"value", 100 * estimate->value}});
        high = std::max(high, 100 * estimate->value);
        present[label] = true;
      }
    }
  }
  if (figure.rows.empty()) return std::nullopt;
  for (const auto& [unused, label] : kMetrics)
    if (present[label]) metrics.emplace_back(label);
  figure.caption =
      "AP at overlaps of 0.5 and 0.75, and averaged over overlaps for small (below 32 x 32 pixels), medium "
      "(to 96 x 96) "
      "and large objects. Points without intervals.";
  figure.alt =
      "Average precision by overlap and by size of object, one panel per model, one row per measure, one "
      "point "
      "per variant.";
  const auto variants = variants_of(detectors);
  const auto specify = [&](const Profile& profile) {
    const int columns = panel_columns(detectors.size());
    const auto limit = static_cast<std::size_t>(std::max(8.0, profile.width / columns / profile.font * 1.7));
    std::vector<std::string> panels;
    Json rows = Json::array();
    for (const Model& model : detectors) {
      panels.push_back(broken_label(model.name, limit));
      for (Json row : figure.rows) {
        if (row["model"] != model.name) continue;
        row["panel"] = panels.back();
        rows.push_back(row);
      }
    }
    Json encoding{{"x", channel("value", {"AP", false, true, ""}, {0, high * 1.05})},
                  {"y", ruled_rows("metric", metrics)},
                  {"yOffset", {{"field", "variant"}, {"sort", variants}}}};
    add_variant_channels(encoding, variants, style, true,
                         {{"title", nullptr}, {"orient", "bottom"}, {"symbolOpacity", 1}});
    Json spec = base_spec(style, profile, figure.alt);
    spec["data"] = {{"values", rows}};
    spec["facet"] = panel_facet(panels, profile, columns);
    spec["columns"] = columns;
    spec["spec"] = {
        {"width", panel_width(profile, columns, 15)},
        {"height", std::min(profile.row * 1.5 * static_cast<double>(metrics.size()), profile.rows)},
        {"mark", point_mark(style, profile.point * 0.8)},
        {"encoding", encoding}};
    return spec;
  };
  figure.spec = specify(style.report);
  figure.slide_spec = specify(style.slide);
  return figure;
}

}  // namespace assay::report
