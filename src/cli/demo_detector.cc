#include "cli/demo_detector.h"

#include <fmt/format.h>

#include "cli/text.h"
#include "flow/detector_study.h"
#include "flow/model_registry.h"
#include "flow/picture_registry.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

constexpr const char* kPictures = "faces";

std::string interval_text(double value, const eval::coco::Interval& interval) {
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", value, interval.low, interval.high);
}

std::string difference_text(const DetectorStudyRow& row) {
  if (!row.against_float) return "-";
  const auto& ap = row.against_float->ap;
  if (ap.difference == 0 && ap.interval.low == 0 && ap.interval.high == 0) return "none on any picture";
  const std::string interval =
      fmt::format("{:+.3f} ({:+.3f} to {:+.3f})", ap.difference, ap.interval.low, ap.interval.high);
  if (ap.p_value >= 0.05) return fmt::format("{}, not distinguishable (p = {:.2f})", interval, ap.p_value);
  return fmt::format("{}, {} (p = {:.3f})", interval, ap.difference < 0 ? "lower" : "higher", ap.p_value);
}

std::string table_text(const DetectorStudy& study) {
  using enum TextTable::Align;
  std::vector<TextTable::Column> columns = {
      {"weights"}, {"MB", kRight}, {"AP (95 %)", kRight}, {"AP50", kRight}, {"AP75", kRight}};
  for (const auto& times : study.rows[0].times) {
    columns.push_back({fmt::format("ms, {} thread{}", times.threads, times.threads == 1 ? "" : "s"), kRight});
  }
  columns.push_back({"AP against float32"});
  TextTable table(columns);
  for (const auto& row : study.rows) {
    std::vector<std::string> cells = {row.variant + (row.dequantized ? " *" : ""),
                                      fmt::format("{:.2f}", static_cast<double>(row.bytes) / 1e6),
                                      interval_text(row.record.ap, row.intervals.ap),
                                      fmt::format("{:.3f}", row.record.ap50),
                                      fmt::format("{:.3f}", row.record.ap75)};
    for (const auto& times : row.times) {
      cells.push_back(with_error(1e3 * times.median_seconds, 1e3 * times.deviation_seconds, 2) +
                      (times.noisy ? " (noisy)" : ""));
    }
    cells.push_back(difference_text(row));
    table.add_row(cells);
  }
  return table.render();
}

std::int64_t truths(const DetectorStudy& study) {
  std::int64_t sum = 0;
  for (const auto& category : study.rows[0].record.categories) sum += category.truths;
  return sum;
}

std::string notes_text(const DetectorStudy& study, const std::string& path, const RoundOptions& timing) {
  const auto& first = study.rows[0];
  std::string text = fmt::format(
      "\nModel {}; {} photographs with {} faces, whose boxes were drawn for this project; int8-static "
      "calibrated "
      "on {} others.\nIntervals and p from resamples of the photographs, differences on the same resamples. "
      "Times: median of the inference alone, {} rounds over\nall variants in turn, +- the deviation of the "
      "rounds' medians.\n",
      printable(path), first.record.images, truths(study), study.calibration_pictures, timing.rounds);
  for (const auto& row : study.rows) {
    if (row.float_operators > 0)
      text += fmt::format("{}: {} operators stay in float.\n", row.variant, row.float_operators);
  }
  if (first.dequantized)
    text += "* The reference is itself dequantized: the file holds float16 constants, whose values it has.\n";
  if (study.resumed) text += "Some rows were measured by an earlier run and not repeated.\n";
  return text;
}

ordered_json interval_json(const eval::coco::Interval& interval) {
  return {{"low", interval.low}, {"high", interval.high}};
}

ordered_json rows_json(const DetectorStudy& study) {
  ordered_json rows = ordered_json::array();
  for (const auto& row : study.rows) {
    ordered_json json{{"variant", row.variant},
                      {"dequantized_reference", row.dequantized},
                      {"model_bytes", row.bytes},
                      {"quantization_seconds", row.quantization_seconds},
                      {"float_operators", row.float_operators},
                      {"AP", row.record.ap},
                      {"AP_interval", interval_json(row.intervals.ap)},
                      {"AP50", row.record.ap50},
                      {"AP75", row.record.ap75},
                      {"times", ordered_json::array()}};
    for (const auto& times : row.times) {
      json["times"].push_back({{"threads", times.threads},
                               {"runs", times.runs},
                               {"median_s", times.median_seconds},
                               {"p90_s", times.p90_seconds},
                               {"deviation_s", times.deviation_seconds},
                               {"noisy", times.noisy}});
    }
    if (row.against_float) {
      json["against_float"] = {{"difference", row.against_float->ap.difference},
                               {"interval", interval_json(row.against_float->ap.interval)},
                               {"p_value", row.against_float->ap.p_value}};
    }
    rows.push_back(std::move(json));
  }
  return rows;
}

}  // namespace

Result<ordered_json> run_detector_demo(const DetectorDemoOptions& options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  ASSAY_TRY(const auto models, models_folder());
  const auto pictures = models / find_registered_pictures(kPictures)->folder;
  std::error_code error;
  if (!std::filesystem::exists(pictures / "annotations.json", error)) {
    return Error{ErrorCode::kNotFound,
                 std::string(kPictures) + ": is not there yet; run 'assay fetch " + kPictures + "' first"};
  }
  DetectorStudyOptions study_options;
  study_options.pictures = pictures / "evaluation";
  study_options.annotations = pictures / "annotations.json";
  study_options.calibration = pictures / "calibration";
  if (session.threads() > 1) study_options.timing.threads.push_back(session.threads());
  const auto announce = [&](const std::string& stage) { session.note("detector " + stage + "\n"); };
  ASSAY_TRY(const DetectorStudy study, run_detector_study(path, options.out, study_options, announce,
                                                          session.pool(), session.progress()));
  for (const auto& warning : study.warnings) session.note("warning: " + printable(warning) + "\n");
  session.print(table_text(study) + notes_text(study, path.string(), study_options.timing));
  return ordered_json{{"model", path.string()}, {"pictures", pictures.string()}, {"rows", rows_json(study)}};
}

}  // namespace assay::cli
