#include "report/scatter.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "report/label_placement.h"
#include "report/numbers.h"
#include "report/pareto.h"

namespace assay::report {
namespace {

struct Point {
  const Model* model;
  const Variant* variant;
  Estimate x, y;
  Standing standing = Standing::kBeaten;
};

std::vector<Point> gather(const ScatterPlot& plot, const std::vector<Model>& models, const CostOf& cost) {
  std::vector<Point> points;
  std::vector<Tradeoff> tradeoffs;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      const auto x = cost(model, variant);
      if (!x || x->value <= 0 || !variant.quality) continue;
      Estimate y = variant.quality->value;
      y.value *= 100;
      if (y.interval) y.interval = Interval{100 * y.interval->low, 100 * y.interval->high};
      points.push_back({&model, &variant, *x, y});
      tradeoffs.push_back({plot.less_is_better ? x->value : 1 / x->value, y, model.data});
    }
  }
  const auto standings = pareto(tradeoffs);
  for (std::size_t i = 0; i < points.size(); ++i) points[i].standing = standings[i];
  return points;
}

const char* word(Standing standing) {
  if (standing == Standing::kFront) return "front";
  return standing == Standing::kTied ? "tied" : "beaten";
}

Json row_of(const Point& point) {
  const auto end = [](const Estimate& estimate, bool low) {
    return estimate.interval ? Json(low ? estimate.interval->low : estimate.interval->high) : Json();
  };
  return Json{
      {"model", point.model->name},  {"variant", point.variant->name}, {"x", point.x.value},
      {"x_low", end(point.x, true)}, {"x_high", end(point.x, false)},  {"y", point.y.value},
      {"y_low", end(point.y, true)}, {"y_high", end(point.y, false)},  {"standing", word(point.standing)}};
}

struct Frame {
  Range x, y;
  double width, height;

  Spot to_pixels(double x_value, double y_value) const {
    return {std::log(x_value / x.low) / std::log(x.high / x.low) * width,
            (y.high - y_value) / (y.high - y.low) * height};
  }
  double x_at(double pixels) const { return x.low * std::pow(x.high / x.low, pixels / width); }
  double y_at(double pixels) const { return y.high - pixels / height * (y.high - y.low); }
};

Frame frame_of(const std::vector<Point>& points, const Profile& profile) {
  Range x{points.front().x.value, points.front().x.value}, y{points.front().y.value, points.front().y.value};
  const auto include = [](Range& range, const Estimate& estimate) {
    range.low =
        std::min({range.low, estimate.value, estimate.interval ? estimate.interval->low : estimate.value});
    range.high =
        std::max({range.high, estimate.value, estimate.interval ? estimate.interval->high : estimate.value});
  };
  for (const Point& point : points) {
    include(y, point.y);
    x.low = std::min(x.low, point.x.value);
    x.high = std::max(x.high, point.x.value);
    if (point.x.interval && point.x.interval->low > 0) include(x, point.x);
  }
  return {widen(x, true, 0.08, 0.16), widen(y, false, 0.06, 0.10), profile.width * 0.74, profile.plot};
}

// Names of more models hide the points; they get numbers, and the caption has the names.
constexpr std::size_t kNamesInPlot = 6;

std::vector<const Model*> shown_models(const std::vector<Point>& points) {
  std::vector<const Model*> models;
  for (const Point& point : points)
    if (models.empty() || models.back() != point.model) models.push_back(point.model);
  return models;
}

// A label for each model, at the point of its reference (or the first that there is).
Json model_labels(const std::vector<Point>& points, const Frame& frame, const Profile& profile) {
  std::vector<Spot> obstacles;
  std::vector<LabelToPlace> labels;
  std::vector<std::string> texts;
  const Model* last = nullptr;
  const bool numbered = shown_models(points).size() > kNamesInPlot;
  for (const Point& point : points) {
    const Spot spot = frame.to_pixels(point.x.value, point.y.value);
    obstacles.push_back(spot);
    if (point.y.interval) {
      const double top = frame.to_pixels(point.x.value, point.y.interval->high).y;
      const double bottom = frame.to_pixels(point.x.value, point.y.interval->low).y;
      for (double y = top; y <= bottom; y += profile.font) obstacles.push_back({spot.x, y});
    }
    if (point.model == last) continue;
    last = point.model;
    const std::string text =
        numbered ? std::to_string(texts.size() + 1) : broken_label(point.model->name, 24);
    std::size_t longest = 0, lines = 1, length = 0;
    for (const char c : text) {
      length = c == '\n' ? 0 : length + 1;
      lines += c == '\n' ? 1 : 0;
      longest = std::max(longest, length);
    }
    labels.push_back({spot, static_cast<double>(longest) * profile.font * 0.58,
                      static_cast<double>(lines) * profile.font * 1.15});
    texts.push_back(text);
  }
  const auto places =
      place_labels(labels, obstacles, std::sqrt(profile.point) * 1.4, frame.width, frame.height);
  Json rows = Json::array();
  for (std::size_t i = 0; i < places.size(); ++i)
    rows.push_back({{"x", frame.x_at(places[i].x)}, {"y", frame.y_at(places[i].y)}, {"text", texts[i]}});
  return rows;
}

// The front of one data set as a staircase: what one gets for at most that cost.
void add_front(const std::vector<Point>& points, const std::string& data, bool less_is_better, Json& all) {
  std::vector<const Point*> front;
  for (const Point& point : points)
    if (point.standing == Standing::kFront && point.model->data == data) front.push_back(&point);
  std::sort(front.begin(), front.end(),
            [&](const Point* a, const Point* b) { return a->x.value < b->x.value; });
  Json rows = Json::array();
  for (std::size_t i = 0; i < front.size(); ++i) {
    if (i > 0) {
      const Point& before = *front[i - 1];
      rows.push_back(less_is_better ? Json{{"x", front[i]->x.value}, {"y", before.y.value}}
                                    : Json{{"x", before.x.value}, {"y", front[i]->y.value}});
    }
    rows.push_back({{"x", front[i]->x.value}, {"y", front[i]->y.value}});
  }
  for (Json& row : rows) {
    row["order"] = all.size();
    row["data"] = data;
    all.push_back(std::move(row));
  }
}

Json front_rows(const std::vector<Point>& points, bool less_is_better) {
  std::set<std::string> sets;
  for (const Point& point : points) sets.insert(point.model->data);
  Json rows = Json::array();
  for (const std::string& data : sets) add_front(points, data, less_is_better, rows);
  return rows;
}

Json specification(const ScatterPlot& plot, const std::vector<Point>& points,
                   const std::vector<std::string>& variants, const Style& style, const Profile& profile,
                   const std::string& alt) {
  const Frame frame = frame_of(points, profile);
  Json rows = Json::array();
  for (const Point& point : points) rows.push_back(row_of(point));
  const Json x = channel("x", plot.x, frame.x), y = channel("y", plot.y, frame.y);
  const auto named = [](Json made, const char* field) {
    made["field"] = field;
    return made;
  };
  Json layer = Json::array();
  layer.push_back(
      {{"data", {{"values", front_rows(points, plot.less_is_better)}}},
       {"mark",
        {{"type", "line"}, {"color", style.accent}, {"strokeWidth", profile.font / 5}, {"opacity", 0.35}}},
       {"encoding",
        {{"x", x},
         {"y", y},
         {"detail", {{"field", "data"}}},
         {"order", {{"field", "order"}, {"type", "quantitative"}}}}}});
  layer.push_back(
      {{"mark",
        {{"type", "line"}, {"color", style.ink}, {"strokeWidth", 0.7}, {"strokeDash", Json::array({2, 3})}}},
       {"encoding",
        {{"x", x},
         {"y", y},
         {"detail", {{"field", "model"}}},
         {"order", {{"field", "x"}, {"type", "quantitative"}}}}}});
  Json encoding{{"x", x}, {"y", y}};
  add_variant_channels(encoding, variants, style, true,
                       {{"title", nullptr},
                        {"symbolStrokeColor", style.ink},
                        {"symbolStrokeWidth", 0.5},
                        {"symbolOpacity", 1}});
  encoding["tooltip"] = Json::array({{{"field", "model"}},
                                     {{"field", "variant"}},
                                     {{"field", "x"}, {"title", plot.x.title}},
                                     {{"field", "y"}, {"title", plot.y.title}}});
  layer.push_back({{"mark", point_mark(style, profile.point)}, {"encoding", encoding}});
  layer.push_back({{"transform", {{{"filter", "datum.standing === 'tied'"}}}},
                   {"mark",
                    {{"type", "point"},
                     {"filled", false},
                     {"shape", "circle"},
                     {"size", profile.point * 4},
                     {"stroke", style.accent},
                     {"strokeWidth", 1},
                     {"opacity", 1}}},
                   {"encoding", {{"x", x}, {"y", y}}}});
  const auto whisker = [&](const char* low, const char* high, bool vertical) {
    Json at = vertical ? Json{{"x", x}, {"y", named(y, low)}, {"y2", {{"field", high}}}}
                       : Json{{"y", y}, {"x", named(x, low)}, {"x2", {{"field", high}}}};
    return Json{{"transform", {{{"filter", std::string("datum.") + low + " !== null"}}}},
                {"mark", {{"type", "rule"}, {"color", style.ink}, {"strokeWidth", profile.font / 11}}},
                {"encoding", at}};
  };
  layer.push_back(whisker("y_low", "y_high", true));
  layer.push_back(whisker("x_low", "x_high", false));
  layer.push_back({{"data", {{"values", model_labels(points, frame, profile)}}},
                   {"mark",
                    {{"type", "text"},
                     {"align", "center"},
                     {"baseline", "middle"},
                     {"lineBreak", "\n"},
                     {"fontWeight", "bold"}}},
                   {"encoding", {{"x", x}, {"y", y}, {"text", {{"field", "text"}}}}}});
  Json spec = base_spec(style, profile, alt);
  spec["data"] = {{"values", rows}};
  spec["width"] = frame.width;
  spec["height"] = frame.height;
  spec["layer"] = layer;
  return spec;
}

std::string alt_text(const ScatterPlot& plot, const std::vector<Point>& points) {
  std::string text =
      plot.alt_subject + ", one point per model and variant with intervals. On the Pareto front:";
  bool first = true;
  for (const Point& point : points) {
    if (point.standing != Standing::kFront) continue;
    text += std::string(first ? " " : "; ") + point.model->name + " " + point.variant->name + " (" +
            significant(point.x.value) + ", " + fixed(point.y.value, 1) + ")";
    first = false;
  }
  return text + ".";
}

}  // namespace

std::optional<Estimate> size_in_megabytes(const Model&, const Variant& variant) {
  if (!variant.bytes) return std::nullopt;
  return Estimate{*variant.bytes / 1e6, std::nullopt};
}

CostOf median_speed(const std::string& test) {
  return [test](const Model&, const Variant& variant) -> std::optional<Estimate> {
    const Speed* speed = variant.speed(test);
    if (speed == nullptr) return std::nullopt;
    return speed->value;
  };
}

std::optional<Figure> scatter_figure(const ScatterPlot& plot, const std::vector<Model>& models,
                                     const CostOf& cost, const Style& style) {
  const auto points = gather(plot, models, cost);
  if (points.size() < 2) return std::nullopt;
  const auto variants = variants_of(models);
  Figure figure{plot.id, plot.title, plot.caption, alt_text(plot, points), {}, {}, {}, {}};
  if (const auto shown = shown_models(points); shown.size() > kNamesInPlot) {
    for (std::size_t i = 0; i < shown.size(); ++i)
      figure.caption += (i == 0 ? " Models: " : ", ") + std::to_string(i + 1) + " " + shown[i]->name;
    figure.caption += ".";
  }
  figure.spec = specification(plot, points, variants, style, style.report, figure.alt);
  figure.slide_spec = specification(plot, points, variants, style, style.slide, figure.alt);
  for (const Point& point : points) figure.rows.push_back(row_of(point));
  return figure;
}

}  // namespace assay::report
