#include "report/panels.h"

#include <algorithm>
#include <cmath>

#include "report/numbers.h"

namespace assay::report {
namespace {

constexpr double kLogarithmicFrom = 8;

struct Content {
  std::vector<Json> rows;
  std::vector<std::string> panels, variants;
  Range range;
  std::size_t longest_label = 0, longest_variant = 0;
};

void include(std::optional<Range>& range, double value) {
  if (!range) range = Range{value, value};
  range->low = std::min(range->low, value);
  range->high = std::max(range->high, value);
}

// Bytes that begin a character.
std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::optional<Range> range_of(const std::vector<Model>& models, const CellOf& cell_of, bool positive) {
  std::optional<Range> range;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      const auto cell = cell_of(model, variant);
      if (!cell || !cell->value || (positive && cell->value->value <= 0)) continue;
      include(range, cell->value->value);
      if (!cell->value->interval) continue;
      if (!positive || cell->value->interval->low > 0) include(range, cell->value->interval->low);
      include(range, cell->value->interval->high);
    }
  }
  return range;
}

Content gather(const std::vector<Model>& models, const CellOf& cell_of, bool logarithmic,
               std::size_t panel_limit) {
  Content content;
  for (const Model& model : models) {
    const std::string panel = broken_label(model.name, panel_limit);
    bool any = false;
    for (const Variant& variant : model.variants) {
      const auto cell = cell_of(model, variant);
      if (!cell) continue;
      any = true;
      Json row{{"panel", panel}, {"model", model.name}, {"variant", variant.name}, {"value", nullptr},
               {"low", nullptr}, {"high", nullptr},     {"label", cell->label},    {"label_at", nullptr}};
      if (cell->value && !(logarithmic && cell->value->value <= 0)) {
        row["value"] = row["label_at"] = cell->value->value;
        if (const auto& interval = cell->value->interval; interval && !(logarithmic && interval->low <= 0)) {
          row["low"] = interval->low;
          row["high"] = interval->high;
          row["label_at"] = std::max(interval->high, cell->value->value);
        }
      }
      content.longest_label = std::max(content.longest_label, characters(cell->label));
      if (std::find(content.variants.begin(), content.variants.end(), variant.name) == content.variants.end())
        content.variants.push_back(variant.name);
      content.longest_variant = std::max(content.longest_variant, variant.name.size());
      content.rows.push_back(std::move(row));
    }
    if (any) content.panels.push_back(panel);
  }
  return content;
}

Json rows_channel(const Content& content) {
  return Json{{"field", "variant"},
              {"type", "nominal"},
              {"sort", content.variants},
              {"title", nullptr},
              {"axis", {{"grid", false}, {"ticks", false}, {"domain", false}, {"labelPadding", 6}}}};
}

Json layers(const PanelPlot& plot, const Axis& axis, const Content& content, const Style& style,
            const Profile& profile, double row) {
  const Json x = channel("value", axis, content.range);
  const auto at = [&](const char* field) {
    Json other = x;
    other["field"] = field;
    return other;
  };
  const Json y = rows_channel(content);
  const Json has_interval{{{"filter", "datum.low !== null"}}};
  Json result = Json::array();
  for (const double line : plot.lines) {
    result.push_back({{"mark",
                       {{"type", "rule"},
                        {"color", style.accent},
                        {"strokeDash", Json::array({4, 3})},
                        {"strokeWidth", 1}}},
                      {"encoding", {{"x", {{"datum", line}}}}}});
  }
  Json encoding{{"x", x}, {"y", y}};
  add_variant_channels(encoding, content.variants, style, !plot.bars, nullptr);
  if (plot.bars) {
    result.push_back(
        {{"mark",
          {{"type", "bar"}, {"height", {{"band", 0.72}}}, {"stroke", style.ink}, {"strokeWidth", 0.6}}},
         {"encoding", encoding}});
  } else {
    result.push_back({{"mark", point_mark(style, profile.point)}, {"encoding", encoding}});
  }
  result.push_back({{"transform", has_interval},
                    {"mark", {{"type", "rule"}, {"color", style.ink}, {"strokeWidth", profile.font / 9}}},
                    {"encoding", {{"x", at("low")}, {"x2", {{"field", "high"}}}, {"y", y}}}});
  for (const char* end : {"low", "high"}) {
    result.push_back({{"transform", has_interval},
                      {"mark",
                       {{"type", "tick"},
                        {"color", style.ink},
                        {"thickness", profile.font / 9},
                        {"size", std::min(row * 0.45, profile.font)}}},
                      {"encoding", {{"x", at(end)}, {"y", y}}}});
  }
  // Dashed lines would cross the letters out.
  if (!plot.lines.empty()) {
    result.push_back({{"transform", {{{"filter", "datum.value !== null"}}}},
                      {"mark",
                       {{"type", "text"},
                        {"align", "left"},
                        {"baseline", "middle"},
                        {"dx", profile.font * 0.75},
                        {"stroke", "white"},
                        {"strokeWidth", profile.font * 0.35},
                        {"fill", "white"}}},
                      {"encoding", {{"x", at("label_at")}, {"y", y}, {"text", {{"field", "label"}}}}}});
  }
  result.push_back(
      {{"transform", {{{"filter", "datum.value !== null"}}}},
       {"mark", {{"type", "text"}, {"align", "left"}, {"baseline", "middle"}, {"dx", profile.font * 0.75}}},
       {"encoding", {{"x", at("label_at")}, {"y", y}, {"text", {{"field", "label"}}}}}});
  result.push_back(
      {{"transform", {{{"filter", "datum.value === null"}}}},
       {"mark",
        {{"type", "text"}, {"align", "left"}, {"baseline", "middle"}, {"dx", 4}, {"fontStyle", "italic"}}},
       {"encoding", {{"x", {{"value", 0}}}, {"y", y}, {"text", {{"field", "label"}}}}}});
  return result;
}

Json specification(const PanelPlot& plot, const Axis& axis, Content content, const Style& style,
                   const Profile& profile, const std::string& alt) {
  const int columns = panel_columns(content.panels.size());
  const double width = panel_width(profile, columns, content.longest_variant);
  // The labels stand right of the points: room for the longest.
  const double label = static_cast<double>(content.longest_label) * profile.font * 0.5 + profile.font * 1.2;
  const double above = std::min(2.0, label / std::max(width - label, width * 0.3));
  content.range = widen(content.range, axis.logarithmic, axis.from_zero ? 0 : 0.08, above + 0.03);
  const double row = row_height(profile, content.panels.size(), content.variants.size());
  Json spec = base_spec(style, profile, alt);
  spec["data"] = {{"values", content.rows}};
  spec["facet"] = panel_facet(content.panels, profile, columns);
  spec["columns"] = columns;
  spec["spacing"] = {{"row", profile.font}, {"column", 22}};
  spec["spec"] = {{"width", width},
                  {"height", row * static_cast<double>(content.variants.size())},
                  {"layer", layers(plot, axis, content, style, profile, row)}};
  return spec;
}

std::string alt_text(const PanelPlot& plot, const Content& content) {
  std::string text = plot.alt_subject + (plot.bars ? ", bars" : ", points with intervals") +
                     ", one panel per model and one row per variant.";
  std::string model;
  for (const Json& row : content.rows) {
    const std::string name = row["model"].get<std::string>();
    text += (name == model ? "; " : " " + name + ": ") + row["variant"].get<std::string>() + " " +
            row["label"].get<std::string>();
    model = name;
  }
  return text + ".";
}

}  // namespace

std::optional<Figure> panel_figure(const PanelPlot& plot, const std::vector<Model>& models,
                                   const CellOf& cell_of, const Style& style) {
  Axis axis = plot.axis;
  const auto positive = range_of(models, cell_of, true);
  if (plot.choose_axis) axis.logarithmic = positive && positive->high > kLogarithmicFrom * positive->low;
  axis.from_zero = !axis.logarithmic && (axis.from_zero || plot.bars || plot.choose_axis);
  auto range = axis.logarithmic ? positive : range_of(models, cell_of, false);
  if (!range) return std::nullopt;
  for (const double line : plot.lines) include(range, line);
  if (axis.from_zero) range->low = 0;
  Figure figure{plot.id, plot.title, plot.caption, "", {}, {}, {}, {}};
  const auto specify = [&](const Profile& profile) {
    const int columns = panel_columns(models.size());
    const auto limit = static_cast<std::size_t>(std::max(8.0, profile.width / columns / profile.font * 1.7));
    Content content = gather(models, cell_of, axis.logarithmic, limit);
    content.range = *range;
    if (figure.alt.empty()) {
      figure.alt = alt_text(plot, content);
      for (const Json& row : content.rows)
        figure.rows.push_back({{"model", row["model"]},
                               {"variant", row["variant"]},
                               {"value", row["value"]},
                               {"low", row["low"]},
                               {"high", row["high"]}});
    }
    return specification(plot, axis, std::move(content), style, profile, figure.alt);
  };
  figure.spec = specify(style.report);
  figure.slide_spec = specify(style.slide);
  return figure;
}

}  // namespace assay::report
