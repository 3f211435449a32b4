// assay eval coco: a detector's average precision.
#include <fmt/format.h>

#include "base/atomic_file.h"
#include "cli/coco_output.h"
#include "cli/commands.h"
#include "cli/detector_options.h"
#include "cli/text.h"
#include "flow/evaluate_coco.h"
#include "flow/model_registry.h"
#include "measure/statistics.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string model, detections;
  CocoEvaluationOptions evaluation;
  DetectorOptions detector;
};

struct Stage {
  double mean = 0, median = 0;
};

Stage stage_of(const std::vector<DetectionTimes>& times, double DetectionTimes::*part) {
  std::vector<double> seconds;
  for (const auto& picture : times) seconds.push_back(picture.*part);
  return {measure::mean(seconds), measure::median(seconds)};
}

std::string figure(double value) { return value < 0 ? "-" : fmt::format("{:.4f}", value); }

std::string figures_text(const CocoEvaluation& result) {
  const auto& record = result.record;
  std::string text = figure(record.ap);
  if (result.intervals)
    text += fmt::format(" (95 % {:.4f} to {:.4f}, n = {})", result.intervals->ap.low,
                        result.intervals->ap.high, record.images);
  return text;
}

std::string summary_text(const std::string& path, std::uint64_t model_bytes, const Detector& detector,
                         const CocoEvaluation& result) {
  const auto& record = result.record;
  const Stage pre = stage_of(result.run.times, &DetectionTimes::preprocess);
  const Stage inference = stage_of(result.run.times, &DetectionTimes::inference);
  const Stage post = stage_of(result.run.times, &DetectionTimes::postprocess);
  std::string areas, recalls;
  for (std::size_t i = 1; i < record.areas.size(); ++i)
    areas +=
        fmt::format("{}{} {}", areas.empty() ? "" : ", ", record.areas[i].name, figure(record.areas[i].ap));
  for (const auto& recall : record.recalls)
    recalls +=
        fmt::format("{}{} at {}", recalls.empty() ? "" : ", ", figure(recall.ar), recall.max_detections);
  return labelled(
      {{"model", fmt::format("{} ({})", path, megabytes(model_bytes))},
       {"head", fmt::format("{}, classes {}", detect::head_name(detector.head()), detector.classes().name)},
       {"AP", figures_text(result)},
       {"AP50, AP75", fmt::format("{}, {}", figure(record.ap50), figure(record.ap75))},
       {"AP by size", areas},
       {"AR", recalls},
       {"inference",
        fmt::format("{:.2f} ms (median), {:.2f} ms (mean)", 1e3 * inference.median, 1e3 * inference.mean)},
       {"around it", fmt::format("preprocessing {:.2f} ms, postprocessing {:.2f} ms (medians)",
                                 1e3 * pre.median, 1e3 * post.median)}});
}

ordered_json stage_json(const Stage& stage) { return {{"mean_s", stage.mean}, {"median_s", stage.median}}; }

ordered_json record_json(const std::string& path, std::uint64_t model_bytes, const Detector& detector,
                         const Options& options, const CocoEvaluation& result) {
  ordered_json json = coco_json(result.record);
  json["model"] = path;
  if (result.intervals) {
    json["intervals"] = ordered_json::object();
    for (const auto& [key, interval] :
         {std::pair{"AP", result.intervals->ap}, std::pair{"AP50", result.intervals->ap50},
          std::pair{"AP75", result.intervals->ap75}}) {
      json["intervals"][key] = {
          {"low", interval.low}, {"high", interval.high}, {"stderr", interval.standard_error}};
    }
  }
  json["resamples"] = options.evaluation.resamples;
  json["head"] = detect::head_name(detector.head());
  json["classes"] = detector.classes().name;
  json["detections"] = result.run.detections.size();
  json["model_bytes"] = model_bytes;
  json["inference"] = stage_json(stage_of(result.run.times, &DetectionTimes::inference));
  json["preprocess"] = stage_json(stage_of(result.run.times, &DetectionTimes::preprocess));
  json["postprocess"] = stage_json(stage_of(result.run.times, &DetectionTimes::postprocess));
  json["warnings"] = result.warnings;
  return json;
}

Status run(Options options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  if (!options.detections.empty()) ASSAY_RETURN_IF_ERROR(check_writable(options.detections));
  ASSAY_TRY(const CheckedTflite model, CheckedTflite::open(path));
  ASSAY_TRY(const auto library, litert::Library::open());
  options.detector.threads = session.threads();
  ASSAY_TRY(Detector detector, Detector::create(model, library, options.detector));
  ASSAY_TRY(const CocoEvaluation result,
            evaluate_coco(detector, options.evaluation, session.pool(), session.progress()));
  for (const auto& warning : result.warnings) session.note("warning: " + printable(warning) + "\n");
  const std::uint64_t model_bytes = model.bytes().size();
  session.print(summary_text(path.string(), model_bytes, detector, result));
  if (!options.detections.empty())
    ASSAY_RETURN_IF_ERROR(
        write_file_atomically(options.detections, coco_results_json(result.run.detections)));
  return session.write_json(record_json(path.string(), model_bytes, detector, options, result));
}

}  // namespace

void add_eval_coco(CommandLine& line, CLI::App& parent) {
  auto options = std::make_shared<Options>();
  CLI::App& command = line.add("coco", "Average precision of a detector on COCO pictures.",
                               "assay eval coco yolox_nano.tflite --images val2017 --annotations "
                               "instances_val2017.json",
                               &parent);
  add_model(command, options->model, ModelKind::kDetector);
  command.add_option("--images", options->evaluation.pictures, "the folder of pictures")
      ->type_name("DIR")
      ->required();
  command.add_option("--annotations", options->evaluation.annotations, "COCO's instances_*.json")
      ->type_name("FILE")
      ->required();
  command.add_option("--limit", options->evaluation.limit, "only the first so many pictures, by id")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30).description(""));
  command.add_option("--detections", options->detections, "write what was found as a COCO result file")
      ->type_name("OUT.json");
  command
      .add_option("--bootstrap", options->evaluation.resamples,
                  "95 % intervals from so many resamples of the pictures, at least 2; 0: none [1000]")
      ->type_name("N")
      ->check(CLI::Range(0, 1000000).description(""));
  add_detector_options(command, options->detector);
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
