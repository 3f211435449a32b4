#include "report/vega.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace assay::report {

Json base_spec(const Style& style, const Profile& profile, const std::string& alt) {
  const double small = profile.font * 0.92;
  const Json axis{{"labelFontSize", small},
                  {"titleFontSize", profile.font},
                  {"titleFontWeight", "normal"},
                  {"labelColor", style.ink},
                  {"titleColor", style.ink},
                  {"gridColor", style.faint},
                  {"domainColor", style.ink},
                  {"tickColor", style.ink},
                  {"titlePadding", profile.font * 0.5},
                  {"labelLimit", profile.width * 0.3}};
  const Json legend{{"labelFontSize", small},           {"titleFontSize", profile.font},
                    {"labelColor", style.ink},          {"titleColor", style.ink},
                    {"titleFontWeight", "normal"},      {"symbolSize", profile.point},
                    {"labelLimit", profile.width * 0.4}};
  const Json header{{"labelFontSize", profile.font},
                    {"labelFontWeight", "bold"},
                    {"labelColor", style.ink},
                    {"titleColor", style.ink},
                    {"labelLimit", 0}};
  return Json{{"$schema", "https://vega.github.io/schema/vega-lite/v6.json"},
              {"description", alt},
              {"background", "white"},
              {"padding", 4},
              {"config",
               {{"font", style.font},
                {"axis", axis},
                {"legend", legend},
                {"header", header},
                {"title", {{"fontSize", profile.font}, {"color", style.ink}, {"anchor", "start"}}},
                {"view", {{"stroke", style.faint}}},
                {"text", {{"fontSize", small}, {"fill", style.ink}}}}}};
}

Range widen(Range range, bool logarithmic, double below, double above) {
  ASSAY_CHECK(range.low <= range.high);
  if (logarithmic) {
    ASSAY_CHECK(range.low > 0);
    const double low = std::log10(range.low), high = std::log10(range.high);
    const double span = std::max(high - low, 0.3);
    return {std::pow(10, low - below * span), std::pow(10, high + above * span)};
  }
  double span = range.high - range.low;
  if (span <= 0) span = std::max(std::abs(range.high) * 0.1, 1e-9);
  return {range.low - below * span, range.high + above * span};
}

std::vector<double> log_ticks(const Range& range) {
  constexpr std::size_t kMost = 7;
  const int first = static_cast<int>(std::floor(std::log10(range.low)));
  const int last = static_cast<int>(std::ceil(std::log10(range.high)));
  const auto inside = [&](std::vector<double> factors, int step) {
    std::vector<double> ticks;
    for (int power = first; power <= last; power += step) {
      for (const double factor : factors) {
        const double tick = factor * std::pow(10, power);
        if (tick >= range.low && tick <= range.high) ticks.push_back(tick);
      }
    }
    return ticks;
  };
  for (const auto& factors : {std::vector<double>{1, 1.5, 2, 3, 4, 5, 6, 8}, {1, 2, 3, 5}, {1, 2, 5}, {1, 3}})
    if (auto ticks = inside(factors, 1); ticks.size() <= kMost) return ticks;
  for (int step = 1;; ++step)
    if (auto ticks = inside({1}, step); ticks.size() <= kMost) return ticks;
}

Json channel(const std::string& field, const Axis& axis, const Range& range) {
  Json scale{{"domain", {range.low, range.high}}, {"nice", false}, {"zero", axis.from_zero}};
  // "g" would turn 100 into "1e+2" where ticks are 100 apart.
  const char* shortest = axis.logarithmic && (range.low < 1e-6 || range.high > 1e8) ? "~e" : "~f";
  Json drawn{{"title", axis.title}, {"format", axis.format.empty() ? shortest : axis.format}};
  if (axis.logarithmic) {
    scale["type"] = "log";
    drawn["values"] = log_ticks(range);
  } else {
    drawn["tickCount"] = 5;
  }
  if (axis.most > 0) drawn["labelExpr"] = "datum.value > " + Json(axis.most).dump() + " ? '' : datum.label";
  return Json{{"field", field}, {"type", "quantitative"}, {"scale", scale}, {"axis", drawn}};
}

void add_variant_channels(Json& encoding, const std::vector<std::string>& variants, const Style& style,
                          bool with_shape, Json legend) {
  Json colors = Json::array(), shapes = Json::array();
  for (const std::string& variant : variants) {
    colors.push_back(style.mark(variant).color);
    shapes.push_back(style.mark(variant).shape);
  }
  encoding["color"] = {{"field", "variant"},
                       {"type", "nominal"},
                       {"scale", {{"domain", variants}, {"range", colors}}},
                       {"legend", legend}};
  if (with_shape) {
    encoding["shape"] = {{"field", "variant"},
                         {"type", "nominal"},
                         {"scale", {{"domain", variants}, {"range", shapes}}},
                         {"legend", legend}};
  }
}

double row_height(const Profile& profile, std::size_t panels, std::size_t rows) {
  const auto columns = static_cast<std::size_t>(panel_columns(panels));
  const auto lines = static_cast<double>((panels + columns - 1) / columns * rows);
  return std::min(profile.row, profile.rows / std::max(lines, 1.0));
}

int panel_columns(std::size_t panels) {
  if (panels == 4) return 2;
  return static_cast<int>(std::min<std::size_t>(panels, 3));
}

Json panel_facet(const std::vector<std::string>& panels, const Profile& profile, int columns) {
  return Json{{"field", "panel"},
              {"type", "nominal"},
              {"title", nullptr},
              {"sort", panels},
              {"header",
               {{"labelExpr", "split(datum.label, '\\n')"},
                {"labelAnchor", "start"},
                {"labelFontSize", columns >= 3 ? profile.font * 0.92 : profile.font}}}};
}

double panel_width(const Profile& profile, int columns, std::size_t label_characters) {
  const double labels = static_cast<double>(label_characters) * profile.font * 0.52 + 12;
  const double gaps = 22.0 * (columns - 1);
  return std::max(60.0, (profile.width - labels - gaps) / columns);
}

std::string broken_label(const std::string& name, std::size_t limit) {
  std::string result, line;
  const auto flush = [&](std::size_t length) {
    result += (result.empty() ? "" : "\n") + line.substr(0, length);
    line.erase(0, length);
  };
  for (const char c : name) {
    line += c;
    if (line.size() <= limit) continue;
    std::size_t cut = line.find_last_of("/-_ ", limit - 1);
    cut = cut == std::string::npos || cut < limit / 3 ? limit : cut + 1;
    // Never inside a character of several bytes.
    while (cut > 1 && (static_cast<unsigned char>(line[cut]) & 0xC0) == 0x80) --cut;
    flush(cut);
  }
  if (!line.empty()) flush(line.size());
  return result;
}

Json split_lines(const std::string& text) {
  Json lines = Json::array();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

std::vector<std::string> variants_of(const std::vector<Model>& models) {
  std::vector<std::string> names;
  for (const Model& model : models)
    for (const Variant& variant : model.variants)
      if (std::find(names.begin(), names.end(), variant.name) == names.end()) names.push_back(variant.name);
  return names;
}

Json point_mark(const Style& style, double size) {
  return {{"type", "point"}, {"filled", true},      {"size", size},
          {"opacity", 1},    {"stroke", style.ink}, {"strokeWidth", 0.5}};
}

Json ruled_rows(const char* field, const std::vector<std::string>& names) {
  return {{"field", field},
          {"type", "nominal"},
          {"sort", names},
          {"title", nullptr},
          {"axis", {{"grid", true}, {"ticks", false}, {"domain", false}}}};
}

}  // namespace assay::report
