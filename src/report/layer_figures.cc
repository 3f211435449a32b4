#include <algorithm>
#include <cctype>
#include <cmath>

#include "report/detail_figures.h"
#include "report/numbers.h"

namespace assay::report {
namespace {

// "model.layers.12.self_attn.q_proj" is block 12, "self_attn.q_proj".
struct Place {
  int block = 0;
  std::string part;
};

std::optional<Place> place_of(const std::string& name) {
  for (std::size_t begin = 0; begin < name.size();) {
    std::size_t end = name.find('.', begin);
    if (end == std::string::npos) end = name.size();
    const std::string step = name.substr(begin, end - begin);
    const bool digits =
        !step.empty() && step.size() < 7 &&
        std::all_of(step.begin(), step.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (digits && end < name.size()) {
      std::string part = name.substr(end + 1);
      if (const auto dot = part.rfind(".weight"); dot != std::string::npos && dot + 7 == part.size())
        part.resize(dot);
      if (const auto dot = part.rfind('.'); dot != std::string::npos) part = part.substr(dot + 1);
      return Place{std::stoi(step), part};
    }
    begin = end + 1;
  }
  return std::nullopt;
}

std::optional<Figure> figure_of(const Model& model, int number, const Style& style) {
  Figure figure{"llm-layers-" + std::to_string(number),
                "Quantization error by layer, " + model.name,
                "",
                "",
                {},
                {},
                {},
                {}};
  std::vector<std::string> parts, panels;
  for (const Variant& variant : model.variants) {
    bool any = false;
    for (const Layer& layer : variant.layers) {
      const auto place = place_of(layer.name);
      if (!place || layer.error < 0) continue;
      any = true;
      if (std::find(parts.begin(), parts.end(), place->part) == parts.end()) parts.push_back(place->part);
      // Decibels: 10 log10(signal / noise). Exact layers have none.
      const Json ratio = layer.error > 0 ? Json(-10 * std::log10(layer.error)) : Json();
      figure.rows.push_back({{"variant", variant.name},
                             {"block", place->block},
                             {"part", place->part},
                             {"error", layer.error},
                             {"decibels", ratio}});
    }
    if (any) panels.push_back(variant.name);
  }
  if (figure.rows.empty()) return std::nullopt;
  figure.caption = "Signal to quantization noise of each layer's outputs in " + model.name +
                   ", in decibels (10 dB: the error has a tenth of the outputs' energy, 30 dB: a "
                   "thousandth), on the calibration "
                   "data. Blocks from the input (left) to the output (right).";
  figure.alt = "Heat map of the signal to noise ratio of each layer of " + model.name +
               ": blocks across, kinds of layer down, one panel per variant.";
  const auto specify = [&](const Profile& profile) {
    const int columns = panel_columns(panels.size());
    Json spec = base_spec(style, profile, figure.alt);
    Json rows = Json::array();
    for (Json row : figure.rows) {
      row["panel"] = row["variant"];
      rows.push_back(row);
    }
    spec["data"] = {{"values", rows}};
    spec["facet"] = panel_facet(panels, profile, columns);
    spec["columns"] = columns;
    spec["spec"] = {{"width", panel_width(profile, columns, 12) - profile.font * 5.0 / columns},
                    {"height", row_height(profile, panels.size(), parts.size()) * 0.85 *
                                   static_cast<double>(parts.size())},
                    {"mark", {{"type", "rect"}}},
                    {"encoding",
                     {{"x",
                       {{"field", "block"},
                        {"type", "ordinal"},
                        {"title", "block"},
                        {"axis", {{"labelOverlap", true}, {"labelAngle", 0}, {"ticks", false}}}}},
                      {"y",
                       {{"field", "part"},
                        {"type", "nominal"},
                        {"sort", parts},
                        {"title", nullptr},
                        {"axis", {{"ticks", false}}}}},
                      {"color",
                       {{"field", "decibels"},
                        {"type", "quantitative"},
                        {"scale", {{"scheme", style.heat}}},
                        {"legend",
                         {{"title", "dB"},
                          {"gradientLength", profile.font * 8},
                          {"gradientThickness", profile.font}}}}}}}};
    return spec;
  };
  figure.spec = specify(style.report);
  figure.slide_spec = specify(style.slide);
  return figure;
}

}  // namespace

std::vector<Figure> layer_figures(const std::vector<Model>& llms, const Style& style) {
  std::vector<Figure> figures;
  for (std::size_t i = 0; i < llms.size(); ++i)
    if (auto figure = figure_of(llms[i], static_cast<int>(i) + 1, style))
      figures.push_back(std::move(*figure));
  return figures;
}

}  // namespace assay::report
