#include <algorithm>
#include <cmath>
#include <map>

#include "report/detail_figures.h"
#include "report/numbers.h"

namespace assay::report {
namespace {

// Of each model; more are unreadable, and many models share a page.
std::size_t categories_of(std::size_t models) { return models <= 2 ? 16 : models <= 4 ? 10 : 6; }

// The categories of a model by their largest change in any variant, largest first; cut, then by name.
std::vector<std::string> shown_categories(const Model& model, std::size_t most) {
  std::map<std::string, double> largest;
  for (const Variant& variant : model.variants)
    for (const Category& category : variant.categories)
      largest[category.name] = std::max(largest[category.name], std::abs(category.difference));
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [name, change] : largest) order.emplace_back(-change, name);
  std::sort(order.begin(), order.end());
  if (order.size() > most) order.resize(most);
  std::vector<std::string> names;
  for (const auto& [unused, name] : order) names.push_back(name);
  return names;
}

Json panel_of(const Model& model, std::size_t most, const std::vector<std::string>& variants,
              const Range& range, double width, const Style& style, const Profile& profile,
              std::vector<Json>* all_rows) {
  const auto names = shown_categories(model, most);
  Json rows = Json::array();
  std::vector<std::string> labels;
  for (const std::string& name : names) {
    std::string label = name;
    for (const Variant& variant : model.variants)
      for (const Category& category : variant.categories)
        if (category.name == name && category.truths) label = name + " (" + grouped(*category.truths) + ")";
    for (const Variant& variant : model.variants) {
      for (const Category& category : variant.categories) {
        if (category.name != name) continue;
        rows.push_back({{"model", model.name},
                        {"category", label},
                        {"variant", variant.name},
                        {"difference", 100 * category.difference}});
      }
    }
    labels.push_back(label);
  }
  if (all_rows != nullptr)
    for (const Json& row : rows) all_rows->push_back(row);
  const Json x = channel("difference", {"change of AP, points", false, false, ""}, range);
  Json encoding{{"x", x}, {"y", ruled_rows("category", labels)}};
  add_variant_channels(encoding, variants, style, true,
                       {{"title", nullptr}, {"orient", "bottom"}, {"symbolOpacity", 1}});
  return Json{{"title", {{"text", split_lines(broken_label(model.name, 36))}}},
              {"data", {{"values", rows}}},
              {"width", width},
              {"height", std::min(profile.row * 0.8, profile.rows / static_cast<double>(labels.size())) *
                             static_cast<double>(labels.size())},
              {"layer",
               {{{"mark", {{"type", "rule"}, {"color", style.ink}, {"strokeWidth", 1}}},
                 {"encoding", {{"x", {{"datum", 0}}}}}},
                {{"mark", point_mark(style, profile.point * 0.8)}, {"encoding", encoding}}}}};
}

}  // namespace

std::optional<Figure> category_figure(const std::vector<Model>& detectors, const Style& style) {
  std::vector<Model> shown;
  Range range{0, 0};
  for (const Model& model : detectors) {
    // A single category's change is that of AP itself.
    bool any = false;
    if (shown_categories(model, 2).size() < 2) continue;
    for (const Variant& variant : model.variants) {
      for (const Category& category : variant.categories) {
        any = true;
        range.low = std::min(range.low, 100 * category.difference);
        range.high = std::max(range.high, 100 * category.difference);
      }
    }
    if (any) shown.push_back(model);
  }
  if (shown.empty()) return std::nullopt;
  Figure figure{"detector-categories", "Change of AP by category", "", "", {}, {}, {}, {}};
  const std::size_t most = categories_of(shown.size());
  figure.caption = "Change of AP against the reference by category, in points; the " + std::to_string(most) +
                   " categories of each model with the largest change, in brackets the number of objects. "
                   "Single categories have "
                   "few objects and no interval: the figure shows where to look, not what has changed.";
  figure.alt = "Change of average precision by category, points left and right of a line at zero.";
  // Only what has changes gets a colour in the legend.
  std::vector<std::string> variants;
  for (const Model& model : shown)
    for (const Variant& variant : model.variants)
      if (!variant.categories.empty() &&
          std::find(variants.begin(), variants.end(), variant.name) == variants.end())
        variants.push_back(variant.name);
  const auto specify = [&](const Profile& profile, std::vector<Json>* rows) {
    const int columns = std::min<int>(2, static_cast<int>(shown.size()));
    const double width = profile.width / columns - profile.font * 10.5;
    Json spec = base_spec(style, profile, figure.alt);
    Json panels = Json::array();
    for (const Model& model : shown)
      panels.push_back(
          panel_of(model, most, variants, widen(range, false, 0.06, 0.06), width, style, profile, rows));
    spec["concat"] = panels;
    spec["columns"] = columns;
    return spec;
  };
  figure.spec = specify(style.report, &figure.rows);
  figure.slide_spec = specify(style.slide, nullptr);
  return figure;
}

}  // namespace assay::report
