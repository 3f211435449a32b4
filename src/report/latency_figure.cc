#include <algorithm>
#include <cmath>

#include "measure/statistics.h"
#include "report/detail_figures.h"
#include "report/numbers.h"

namespace assay::report {
namespace {

// The curve is drawn through this many percentiles: enough for the eye, and a page of the HTML stays small.
constexpr int kSteps = 100;

}  // namespace

std::optional<Figure> latency_figure(const std::vector<Model>& detectors, const Style& style) {
  Figure figure{"detector-latency-distribution", "Distribution of inference times", "", "", {}, {}, {}, {}};
  std::size_t fewest = 0, most = 0;
  int threads = 0;
  for (const Model& model : detectors) {
    for (const Variant& variant : model.variants) {
      const Speed* speed = variant.speed("inference");
      if (speed == nullptr || speed->samples.size() < 2) continue;
      threads = speed->threads;
      fewest = fewest == 0 ? speed->samples.size() : std::min(fewest, speed->samples.size());
      most = std::max(most, speed->samples.size());
      for (int step = 0; step <= kSteps; ++step) {
        const double seconds = measure::percentile(speed->samples, 100.0 * step / kSteps);
        figure.rows.push_back({{"model", model.name},
                               {"variant", variant.name},
                               {"seconds", seconds},
                               {"share", 1.0 * step / kSteps}});
      }
    }
  }
  if (figure.rows.empty()) return std::nullopt;
  figure.caption = "Share of inferences that took at most so long; " +
                   (fewest == most ? grouped(static_cast<std::int64_t>(most))
                                   : grouped(static_cast<std::int64_t>(fewest)) + " to " +
                                         grouped(static_cast<std::int64_t>(most))) +
                   " inferences per variant after a warm-up, " + std::to_string(threads) +
                   (threads == 1 ? " thread" : " threads") +
                   ", rounds taken together. Steep is steady; a long way to the right at the top is "
                   "what the slowest pictures wait for. Logarithmic axes, one for each model.";
  figure.alt = "Cumulative distribution of inference times, one panel per model and one line per variant.";
  const auto variants = variants_of(detectors);
  Json dashes = Json::array();
  for (const std::string& variant : variants) dashes.push_back(style.mark(variant).dash);
  const auto specify = [&](const Profile& profile) {
    // Panels of their own: fast and slow models on one axis would leave a narrow strip to each.
    std::vector<const Model*> shown;
    for (const Model& model : detectors)
      if (std::any_of(figure.rows.begin(), figure.rows.end(),
                      [&](const Json& row) { return row["model"] == model.name; }))
        shown.push_back(&model);
    const int columns = panel_columns(shown.size());
    const auto limit = static_cast<std::size_t>(std::max(8.0, profile.width / columns / profile.font * 1.7));
    Json panels = Json::array();
    for (const Model* model : shown) {
      Json rows = Json::array();
      std::vector<double> seconds;
      for (const Json& row : figure.rows) {
        if (row["model"] != model->name) continue;
        rows.push_back(row);
        seconds.push_back(row["seconds"].get<double>());
      }
      const auto [low, high] = std::minmax_element(seconds.begin(), seconds.end());
      Json encoding{{"x", channel("seconds", {"inference time, s", true, false, ""},
                                  widen({*low, *high}, true, 0.04, 0.04))},
                    {"y", channel("share", {"share of inferences", false, true, ".0%"}, {0, 1})}};
      if (panels.size() % static_cast<std::size_t>(columns) != 0) encoding["y"]["axis"]["title"] = nullptr;
      const Json legend{{"title", nullptr},
                        {"orient", "bottom"},
                        {"symbolType", "stroke"},
                        {"symbolSize", profile.font * 30},
                        {"symbolStrokeWidth", profile.font / 6}};
      add_variant_channels(encoding, variants, style, false, legend);
      encoding["strokeDash"] = {{"field", "variant"},
                                {"type", "nominal"},
                                {"scale", {{"domain", variants}, {"range", dashes}}},
                                {"legend", legend}};
      panels.push_back({{"title", {{"text", split_lines(broken_label(model->name, limit))}}},
                        {"data", {{"values", rows}}},
                        {"width", panel_width(profile, columns, 8) - profile.font * 3},
                        {"height", profile.plot * 0.6},
                        {"mark", {{"type", "line"}, {"strokeWidth", profile.font / 6}}},
                        {"encoding", encoding}});
    }
    Json spec = base_spec(style, profile, figure.alt);
    spec["concat"] = panels;
    spec["columns"] = columns;
    return spec;
  };
  figure.spec = specify(style.report);
  figure.slide_spec = specify(style.slide);
  return figure;
}

}  // namespace assay::report
