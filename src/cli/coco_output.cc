#include "cli/coco_output.h"

#include <fmt/format.h>

#include <map>

#include "cli/text.h"

namespace assay::cli {
namespace {

using namespace eval::coco;
using nlohmann::ordered_json;

std::string area_key(const std::string& figure, const std::string& area) {
  static const std::map<std::string, std::string> kShort{{"small", "s"}, {"medium", "m"}, {"large", "l"}};
  const auto at = kShort.find(area);
  return at != kShort.end() ? figure + at->second : figure + "_" + area;
}

ordered_json category_json(const CategoryFigures& category) {
  ordered_json json{{"id", id_json(category.category.id)},
                    {"name", category.category.name},
                    {"AP", category.ap},
                    {"AP50", category.ap50},
                    {"AP75", category.ap75}};
  for (std::size_t a = 1; a < category.areas.size(); ++a)
    json[area_key("AP", category.areas[a].name)] = category.areas[a].ap;
  json["AR"] = category.areas.front().ar;
  json["truths"] = category.truths;
  json["detections"] = category.detections;
  return json;
}

std::string line(bool precision, const std::string& thresholds, const std::string& area, int limit,
                 double value) {
  return fmt::format(" {:<18} {} @[ IoU={:<9} | area={:>6s} | maxDets={:>3d} ] = {:0.3f}\n",
                     precision ? "Average Precision" : "Average Recall", precision ? "(AP)" : "(AR)",
                     thresholds, area, limit, value);
}

}  // namespace

ordered_json id_json(const ObjectId& id) {
  // Beyond 64 bits a JSON number would be rounded, or refused by those who read it.
  if (id.kind() == ObjectId::Kind::kBigInteger && !id.is_unsigned64()) return id.text();
  return ordered_json::parse(id.text());
}

ordered_json coco_json(const CocoRecord& record) {
  ordered_json json{{"AP", record.ap}, {"AP50", record.ap50}, {"AP75", record.ap75}};
  for (std::size_t a = 1; a < record.areas.size(); ++a)
    json[area_key("AP", record.areas[a].name)] = record.areas[a].ap;
  for (const RecallFigure& recall : record.recalls)
    json[fmt::format("AR{}", recall.max_detections)] = recall.ar;
  for (std::size_t a = 1; a < record.areas.size(); ++a)
    json[area_key("AR", record.areas[a].name)] = record.areas[a].ar;
  json["images"] = record.images;
  json["per_category"] = ordered_json::array();
  for (const CategoryFigures& category : record.categories)
    json["per_category"].push_back(category_json(category));
  return json;
}

std::string coco_text(const CocoRecord& record, const EvaluationOptions& options) {
  const std::string all =
      fmt::format("{:0.2f}:{:0.2f}", options.iou_thresholds.front(), options.iou_thresholds.back());
  const int largest = record.recalls.back().max_detections;
  const std::string first = printable(record.areas.front().name);
  std::string text = line(true, all, first, largest, record.ap);
  text += line(true, "0.50", first, largest, record.ap50);
  text += line(true, "0.75", first, largest, record.ap75);
  for (std::size_t a = 1; a < record.areas.size(); ++a)
    text += line(true, all, printable(record.areas[a].name), largest, record.areas[a].ap);
  for (const RecallFigure& recall : record.recalls)
    text += line(false, all, first, recall.max_detections, recall.ar);
  for (std::size_t a = 1; a < record.areas.size(); ++a)
    text += line(false, all, printable(record.areas[a].name), largest, record.areas[a].ar);
  return text;
}

std::string coco_category_text(const CocoRecord& record) {
  using Align = TextTable::Align;
  std::vector<TextTable::Column> columns{
      {"category"}, {"AP", Align::kRight}, {"AP50", Align::kRight}, {"AP75", Align::kRight}};
  for (std::size_t a = 1; a < record.areas.size(); ++a)
    columns.push_back({printable(area_key("AP", record.areas[a].name)), Align::kRight});
  for (const char* title : {"AR", "truths", "detections"}) columns.push_back({title, Align::kRight});
  TextTable table(std::move(columns));
  const auto figure = [](double value) { return fmt::format("{:.3f}", value); };
  for (const CategoryFigures& category : record.categories) {
    const std::string& name = category.category.name;
    std::vector<std::string> cells{printable(name.empty() ? category.category.id.text() : name),
                                   figure(category.ap), figure(category.ap50), figure(category.ap75)};
    for (std::size_t a = 1; a < category.areas.size(); ++a) cells.push_back(figure(category.areas[a].ap));
    cells.push_back(figure(category.areas.front().ar));
    cells.push_back(std::to_string(category.truths));
    cells.push_back(std::to_string(category.detections));
    table.add_row(std::move(cells));
  }
  return table.render();
}

}  // namespace assay::cli
