#include "cli/quantize_tflite.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"
#include "flow/compare_speed.h"
#include "flow/quantize_tflite.h"

namespace assay::cli {
namespace {

std::string int8_of(const TfliteOptions& options) {
  if (!options.int8.empty()) return options.int8;
  return options.calibration.empty() && options.ranges.empty() ? "dynamic" : "static";
}

TfliteTarget target_of(const std::string& to, const TfliteOptions& options) {
  if (to == "float32") return TfliteTarget::kFloat32;
  if (to == "float16") return TfliteTarget::kFloat16;
  if (int8_of(options) == "static" || int8_of(options) == "int16x8") return TfliteTarget::kInt8Static;
  return int8_of(options) == "dynamic" ? TfliteTarget::kInt8Dynamic : TfliteTarget::kInt8WeightOnly;
}

std::string counts_text(const std::map<std::string, std::uint64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, printable(name));
  return text.empty() ? "none" : text;
}

void print_static(const tflite::StaticReport& report, Session& session) {
  for (const auto& concat : report.wide_concats) {
    session.note(fmt::format(
        "{}the inputs of '{}' differ {:.0f} times in range{}\n",
        concat.kept_float ? "note: " : "warning: ", printable(concat.output), concat.ratio,
        concat.kept_float ? "; it stays in float, so that each keeps its own int8 scale"
                          : " and share one int8 scale: values of the narrow ones lose precision"));
  }
  session.print(labelled(
      {{"quantized operators", counts_text(report.int8_operators)},
       {"float operators", counts_text(report.float_operators)},
       {"transitions", fmt::format("{} QUANTIZE and DEQUANTIZE", report.transitions)},
       {"int8 weights", fmt::format("{} of products whose activations are float", report.int8_weights)},
       {"too noisy", fmt::format("{} operators in float for their predicted noise", report.too_noisy.size())},
       {"fused", fmt::format("{} activation functions", report.fused_activations)},
       {"biases", fmt::format("{} corrected for the rounding of weights", report.corrected_biases)}}));
}

nlohmann::ordered_json static_json(const tflite::StaticReport& report) {
  nlohmann::ordered_json json{{"int8_operators", report.int8_operators},
                              {"float_operators", report.float_operators},
                              {"transitions", report.transitions},
                              {"fused_activations", report.fused_activations},
                              {"corrected_biases", report.corrected_biases},
                              {"int8_weights", report.int8_weights},
                              {"too_noisy", report.too_noisy},
                              {"wide_concats", nlohmann::ordered_json::array()}};
  for (const auto& concat : report.wide_concats)
    json["wide_concats"].push_back(
        {{"output", concat.output}, {"ratio", concat.ratio}, {"kept_float", concat.kept_float}});
  return json;
}

std::string kept_share(double ap, const Int8Budget& budget) {
  return fmt::format("{:.4f} ({:.1f} % of float)", ap, 100 * ap / budget.float_ap);
}

void print_budget(const Int8Budget& budget, double seconds, Session& session) {
  using enum TextTable::Align;
  constexpr std::size_t kMost = 24;
  const std::size_t shown = std::min(budget.regions.size(), kMost);
  TextTable table({{"operator"},
                   {"operators", kRight},
                   {"error alone as int8", kRight},
                   {"AP with these in float", kRight},
                   {"kept"}});
  table.add_row({"(all int8)", "0", fmt::format("{:.5f}", budget.int8_error),
                 fmt::format("{:.4f}", budget.int8_ap), ""});
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& region = budget.regions[i];
    table.add_row({printable(region.region.label), std::to_string(region.region.labels.size()),
                   fmt::format("{:.5f}", region.error), region.ap ? fmt::format("{:.4f}", *region.ap) : "",
                   region.kept ? "yes" : ""});
  }
  session.print(
      "\n" + table.render() +
      (shown < budget.regions.size() ? fmt::format("{} more in --json\n\n", budget.regions.size() - shown)
                                     : "\n") +
      labelled({{"AP", fmt::format("float {:.4f}, all int8 {}, as written {}; n = {} pictures",
                                   budget.float_ap, kept_share(budget.int8_ap, budget),
                                   kept_share(budget.ap, budget), budget.pictures)},
                {"kept in float", fmt::format("{} operators, for {} regions", budget.kept.size(),
                                              std::count_if(budget.regions.begin(), budget.regions.end(),
                                                            [](const auto& region) { return region.kept; }))},
                {"search", fmt::format("{:.1f} s; the set was chosen on these pictures, so measure its AP "
                                       "on others",
                                       seconds)}}));
  if (!budget.reached) {
    session.note(fmt::format(
        "warning: no set of operators reaches an AP of {:.4f}; the best that was measured is written\n",
        budget.target));
  }
}

nlohmann::ordered_json budget_json(const Int8Budget& budget, double seconds) {
  nlohmann::ordered_json json{{"pictures", budget.pictures},
                              {"float_ap", budget.float_ap},
                              {"int8_ap", budget.int8_ap},
                              {"int8_error", budget.int8_error},
                              {"ap", budget.ap},
                              {"target", budget.target},
                              {"reached", budget.reached},
                              {"kept_float", budget.kept},
                              {"seconds", seconds},
                              {"regions", nlohmann::ordered_json::array()}};
  for (const auto& region : budget.regions) {
    nlohmann::ordered_json row{{"operator", region.region.label},
                               {"operators", region.region.labels},
                               {"error", region.error},
                               {"ap", nullptr},
                               {"kept", region.kept}};
    if (region.ap) row["ap"] = *region.ap;
    json["regions"].push_back(std::move(row));
  }
  return json;
}

// Both models in turn; what went wrong is told and is no error, since the file is written.
nlohmann::ordered_json check_speed(const std::filesystem::path& before, const std::filesystem::path& after,
                                   Session& session) {
  const auto compare = [&]() -> Result<SpeedComparison> {
    ASSAY_TRY(const auto library, litert::Library::open());
    ASSAY_TRY(const CheckedTflite first, CheckedTflite::open(before));
    ASSAY_TRY(const CheckedTflite second, CheckedTflite::open(after));
    return compare_speed(first, second, library, session.threads(), session.progress());
  };
  const auto speed = compare();
  if (!speed) {
    session.note("note: speed is not compared: " + printable(speed.error().message) + "\n");
    return nullptr;
  }
  session.print(
      labelled({{"speed", fmt::format("{:.2f} ms against {:.2f} ms before (medians of {}, {} threads)",
                                      1e3 * speed->second_median_seconds, 1e3 * speed->first_median_seconds,
                                      speed->rounds, session.threads())}}));
  if (speed->second_is_slower()) {
    session.note(
        fmt::format("warning: the new model is slower than '{}' on this machine; `assay bench {} "
                    "--operators` shows where\n",
                    printable(before.string()), printable(after.string())));
  }
  return {{"threads", session.threads()},
          {"rounds", speed->rounds},
          {"before_median_s", speed->first_median_seconds},
          {"after_median_s", speed->second_median_seconds},
          {"before_min_s", speed->first_min_seconds},
          {"after_min_s", speed->second_min_seconds},
          {"slower", speed->second_is_slower()}};
}

}  // namespace

void add_tflite_options(CLI::App& command, TfliteOptions& options) {
  command
      .add_option("--int8", options.int8,
                  "what else than weights is int8 in a .tflite model, or int16 [static with --calibration, "
                  "else dynamic]")
      ->type_name("static|int16x8|dynamic|weight-only")
      ->check(CLI::IsMember({"static", "int16x8", "dynamic", "weight-only"}).description(""));
  command
      .add_option("--keep-float", options.keep_float,
                  "operators of a .tflite model that stay in float: a regular expression found in 'CONV_2D "
                  "name/of/output'; may be given several times")
      ->type_name("PATTERN");
  const std::map<std::string, RangeMethod> methods{{"minmax", RangeMethod::kMinMax},
                                                   {"percentile", RangeMethod::kPercentile},
                                                   {"mse", RangeMethod::kMse},
                                                   {"entropy", RangeMethod::kEntropy},
                                                   {"average", RangeMethod::kMovingAverage}};
  command
      .add_option("--range-method", options.range_method,
                  "of static int8: which part of an activation's values int8 covers [mse for models with attention, percentile for others]")
      ->type_name("minmax|percentile|mse|entropy|average")
      ->transform(CLI::CheckedTransformer(methods).description(""));
  command
      .add_option("--ranges", options.ranges,
                  "of static int8: the ranges of activations that calibration found")
      ->type_name("FILE");
  command
      .add_option("--write-ranges", options.write_ranges,
                  "of static int8: where to write the ranges that --calibration finds, for --ranges")
      ->type_name("FILE");
  command.add_flag("--full-integer", options.full_integer,
                   "of static int8: also what is more precise and as fast in float");
  command
      .add_option("--least-snr", options.least_snr,
                  "of static int8: operators with a lower predicted signal to noise ratio stay in float; 0: "
                  "none [20]")
      ->type_name("DB")
      ->check(CLI::Range(0.0, 200.0).description(""));
  command.add_flag("--no-bias-correction", options.keep_biases,
                   "of static int8: leave the means of outputs where the rounding of weights moves them");
  command.add_flag("--int8-io", options.int8_io, "of static int8: inputs and outputs as int8, too");
  command
      .add_option("--budget", options.budget,
                  "of static int8: keep so few operators in float that this share of the float AP remains, "
                  "found by measuring on --annotations; instead of --least-snr")
      ->type_name("SHARE")
      ->check(CLI::Range(0.01, 1.0).description(""));
  command.add_option("--annotations", options.annotations, "of --budget: COCO's instances_*.json")
      ->type_name("FILE");
  command
      .add_option("--images", options.images,
                  "of --budget: the folder of the annotated pictures [that of --calibration]")
      ->type_name("DIR");
  command.add_flag("--no-speed-check", options.no_speed_check,
                   "do not run both .tflite models to see whether the new one is slower here");
}

Status quantize_tflite_file(const std::filesystem::path& path, const std::string& out, const std::string& to,
                            const TfliteOptions& options, Session& session) {
  TfliteQuantizeOptions quantize;
  quantize.target = target_of(to, options);
  quantize.keep_float = options.keep_float;
  quantize.ranges = options.ranges;
  quantize.write_ranges = options.write_ranges;
  quantize.full_integer = options.full_integer;
  quantize.least_snr = options.least_snr;
  quantize.int8_io = options.int8_io;
  quantize.correct_biases = !options.keep_biases;
  if (int8_of(options) == "int16x8") {
    quantize.activations = tflite::Activations::kInt16;
    session.note(
        "warning: LiteRT has no fast kernels for int16 on processors; expect 40 to 95 times float's time\n");
  }
  if (!options.calibration.empty()) {
    quantize.calibration.emplace();
    quantize.calibration->pictures = options.calibration;
    quantize.calibration->samples = options.samples;
    quantize.calibration->method = options.range_method;
    quantize.calibration->detector.threads = session.threads();
  }
  if (options.budget) {
    if (quantize.target != TfliteTarget::kInt8Static || options.annotations.empty() ||
        (options.images.empty() && options.calibration.empty())) {
      return Error{
          ErrorCode::kInvalidArgument,
          "--budget is for static int8 and needs --annotations FILE, and --calibration DIR or --images "
          "DIR for the pictures"};
    }
    quantize.budget.emplace();
    quantize.budget->keep = *options.budget;
    quantize.budget->data.annotations = options.annotations;
    quantize.budget->data.pictures = options.images.empty() ? options.calibration : options.images;
    quantize.budget->detector.threads = session.threads();
  }
  ASSAY_TRY(const TfliteQuantizeReport report,
            quantize_tflite(path, out, quantize, session.pool(), session.progress()));
  for (const auto& warning : report.conversion.warnings)
    session.note("warning: " + printable(warning) + "\n");
  const std::string method = to == "int8" ? "int8 " + int8_of(options) : to;
  session.print(labelled(
      {{"written", fmt::format("{} ({})", out, megabytes(report.output_bytes))},
       {"method", method},
       {"size",
        fmt::format(
            "{} from {} ({:.1f} %)", megabytes(report.output_bytes), megabytes(report.input_bytes),
            100.0 * static_cast<double>(report.output_bytes) / static_cast<double>(report.input_bytes))},
       {"constants",
        fmt::format("{} converted, {} kept in float", report.conversion.converted, report.conversion.kept)},
       {"time", fmt::format("{:.2f} s, of which calibration on {} pictures {:.2f} s", report.seconds,
                            report.calibration_pictures, report.calibration_seconds)}}));
  if (report.conversion.space_to_depth > 0) {
    session.print(labelled({{"rewritten", fmt::format("{} groups of slices as SPACE_TO_DEPTH, also without "
                                                      "quantization faster (--to float32 does this alone)",
                                                      report.conversion.space_to_depth)}}));
  }
  if (report.int8) print_static(*report.int8, session);
  if (report.budget) print_budget(*report.budget, report.budget_seconds, session);
  nlohmann::ordered_json json{{"model", path.string()},
                              {"out", out},
                              {"method", method},
                              {"keep_float", options.keep_float},
                              {"converted", report.conversion.converted},
                              {"kept", report.conversion.kept},
                              {"space_to_depth", report.conversion.space_to_depth},
                              {"warnings", report.conversion.warnings},
                              {"input_bytes", report.input_bytes},
                              {"output_bytes", report.output_bytes},
                              {"seconds", report.seconds},
                              {"calibration_pictures", report.calibration_pictures},
                              {"calibration_seconds", report.calibration_seconds}};
  if (report.int8) json["static"] = static_json(*report.int8);
  if (report.budget) json["budget"] = budget_json(*report.budget, report.budget_seconds);
  json["speed"] = options.no_speed_check ? nullptr : check_speed(path, out, session);
  return session.write_json(std::move(json));
}

}  // namespace assay::cli
