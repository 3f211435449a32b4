#include "cli/quantize_tflite.h"

#include <fmt/format.h>

#include "cli/text.h"
#include "flow/quantize_tflite.h"

namespace assay::cli {
namespace {

TfliteTarget target_of(const std::string& to, const TfliteOptions& options) {
  if (to == "float32") return TfliteTarget::kFloat32;
  if (to == "float16") return TfliteTarget::kFloat16;
  return options.int8 == "dynamic" ? TfliteTarget::kInt8Dynamic : TfliteTarget::kInt8WeightOnly;
}

}  // namespace

void add_tflite_options(CLI::App& command, TfliteOptions& options) {
  command.add_option("--int8", options.int8, "what else than weights is int8 in a .tflite model [dynamic]")
      ->type_name("dynamic|weight-only")
      ->check(CLI::IsMember({"dynamic", "weight-only"}).description(""));
  command
      .add_option("--keep-float", options.keep_float,
                  "operators of a .tflite model that stay in float: a regular expression found in 'CONV_2D "
                  "name/of/output'; may be given several times")
      ->type_name("PATTERN");
}

Status quantize_tflite_file(const std::filesystem::path& path, const std::string& out, const std::string& to,
                            const TfliteOptions& options, Session& session) {
  TfliteQuantizeOptions quantize{target_of(to, options), options.keep_float};
  ASSAY_TRY(const TfliteQuantizeReport report, quantize_tflite(path, out, quantize));
  for (const auto& warning : report.conversion.warnings)
    session.note("warning: " + printable(warning) + "\n");
  const std::string method = to == "int8" ? "int8 " + options.int8 : to;
  session.print(labelled({{"written", fmt::format("{} ({})", out, megabytes(report.output_bytes))},
                          {"method", method},
                          {"size", fmt::format("{} from {} ({:.1f} %)", megabytes(report.output_bytes),
                                               megabytes(report.input_bytes),
                                               100.0 * static_cast<double>(report.output_bytes) /
                                                   static_cast<double>(report.input_bytes))},
                          {"constants", fmt::format("{} converted, {} kept in float",
                                                    report.conversion.converted, report.conversion.kept)},
                          {"time", fmt::format("{:.2f} s", report.seconds)}}));
  return session.write_json({{"model", path.string()},
                             {"out", out},
                             {"method", method},
                             {"keep_float", options.keep_float},
                             {"converted", report.conversion.converted},
                             {"kept", report.conversion.kept},
                             {"warnings", report.conversion.warnings},
                             {"input_bytes", report.input_bytes},
                             {"output_bytes", report.output_bytes},
                             {"seconds", report.seconds}});
}

}  // namespace assay::cli
