// assay eval detections: what pycocotools does.
#include <fmt/format.h>

#include <cmath>

#include "cli/coco_output.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "flow/evaluate_detections.h"

namespace assay::cli {
namespace {

using namespace eval::coco;

struct DetectionsCommand {
  std::string annotations, detections, compare;
  std::vector<std::string> areas;  // "name:min:max"
  DetectionsRequest request;
  bool per_category = false;
};

Result<AreaRange> parse_area(const std::string& text) {
  const auto first = text.find(':');
  const auto second = text.find(':', first == std::string::npos ? first : first + 1);
  AreaRange range;
  const Error wrong{ErrorCode::kInvalidArgument, "'" + text + "' is not NAME:MIN:MAX, areas in pixels"};
  if (first == std::string::npos || second == std::string::npos || first == 0) return wrong;
  range.name = text.substr(0, first);
  try {
    std::size_t used = 0;
    const std::string min = text.substr(first + 1, second - first - 1), max = text.substr(second + 1);
    range.min = std::stod(min, &used);
    if (used != min.size()) return wrong;
    range.max = std::stod(max, &used);
    if (used != max.size()) return wrong;
  } catch (const std::exception&) {  // std::stod's way to say no
    return wrong;
  }
  if (!(range.min <= range.max)) return wrong;
  return range;
}

Result<DetectionsRequest> make_request(const DetectionsCommand& command) {
  DetectionsRequest request = command.request;
  request.annotations = command.annotations;
  request.detections = command.detections;
  if (!command.compare.empty()) request.compare = command.compare;
  if (command.areas.empty()) return request;
  request.options.areas = {coco_area_ranges().front()};
  for (const std::string& text : command.areas) {
    ASSAY_TRY(AreaRange range, parse_area(text));
    request.options.areas.push_back(std::move(range));
  }
  return request;
}

Status run(const DetectionsCommand& command, Session& session) {
  ASSAY_TRY(const DetectionsRequest request, make_request(command));
  ASSAY_TRY(const DetectionsRun result, run_detections(request, session.pool()));
  for (const std::string& warning : result.warnings) session.note("warning: " + printable(warning) + "\n");
  session.print(coco_text(result.record, request.options));
  if (command.per_category) session.print("\n" + coco_category_text(result.record));
  session.print(analyses_text(result));
  session.print(fmt::format("\n{} images, {:.2f} s\n", result.record.images, result.seconds));
  nlohmann::ordered_json json = coco_json(result.record);
  add_analyses(json, result);
  json["annotations"] = command.annotations;
  json["detections"] = command.detections;
  json["seconds"] = result.seconds;
  json["warnings"] = result.warnings;
  return session.write_json(std::move(json));
}

}  // namespace

void add_eval_detections(CommandLine& line, CLI::App& parent) {
  auto options = std::make_shared<DetectionsCommand>();
  CLI::App& command =
      line.add("detections", "COCO average precision of a result file, as pycocotools computes it.",
               "assay eval detections --annotations instances_val2017.json --detections results.json",
               &parent, CommandLine::Threads::kOne);
  command.add_option("--annotations", options->annotations, "COCO annotations (instances_*.json)")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--detections", options->detections,
                  "COCO results: [{image_id, category_id, bbox, score}, ...]")
      ->type_name("FILE")
      ->required();
  add_number_list(command, "--max-dets", options->request.options.max_detections,
                  "detections kept per image and category; precision is that at the largest [1,10,100]");
  command
      .add_option("--iou-thresholds", options->request.options.iou_thresholds,
                  "overlaps that count as found [0.5 to 0.95 by 0.05]")
      ->type_name("X,...")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0).description(""));
  command
      .add_option("--areas", options->areas,
                  "own size classes beside all, in pixels: tiny:0:256 [COCO's three]")
      ->type_name("NAME:MIN:MAX,...")
      ->delimiter(',')
      ->check(CLI::Validator(
          [](const std::string& text) {
            const auto area = parse_area(text);
            return area ? std::string() : area.error().message;
          },
          ""));
  command
      .add_option("--bootstrap", options->request.resamples,
                  "95 % intervals of AP from so many resamples of the images")
      ->type_name("N")
      ->check(CLI::Range(2, 1000000).description(""));
  command.add_option("--seed", options->request.seed, "of the resamples [1]")->type_name("N");
  command.add_option("--compare", options->compare, "a second result file: is it better, or is it chance?")
      ->type_name("FILE");
  command.add_flag("--errors", options->request.errors,
                   "what the mistakes are and what each kind costs, as TIDE has it");
  command.add_flag("--per-category", options->per_category, "a line for each category");
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
