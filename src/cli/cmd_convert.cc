// assay convert: a checkpoint of a detector to a .tflite file.
#include <fmt/format.h>

#include <charconv>

#include "base/elapsed.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "flow/convert_detector.h"
#include "flow/model_registry.h"
#include "measure/memory.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string model, out, size = "800x800";
};

Result<detect::InputSize> parse_size(const std::string& text) {
  detect::InputSize size;
  const char* end = text.data() + text.size();
  const auto height = std::from_chars(text.data(), end, size.height);
  if (height.ec == std::errc() && height.ptr != end && *height.ptr == 'x') {
    const auto width = std::from_chars(height.ptr + 1, end, size.width);
    if (width.ec == std::errc() && width.ptr == end && size.height > 0 && size.width > 0) return size;
  }
  return Error{ErrorCode::kInvalidArgument,
               "--size: '" + text + "', expected height x width, such as 800x1066"};
}

Status run(const Options& options, Session& session) {
  ASSAY_TRY(const detect::InputSize size, parse_size(options.size));
  ASSAY_TRY(const auto path, resolve_model(options.model));
  const auto start = std::chrono::steady_clock::now();
  ASSAY_TRY(const DetectorConversion conversion, convert_detector_folder(path, options.out, size));
  const double seconds = seconds_since(start);
  session.print(fmt::format("{}: {}, {} operators, {:.2f} s\n", options.out, megabytes(conversion.file_bytes),
                            conversion.operators, seconds));
  return session.write_json({{"model", path.string()},
                             {"output", options.out},
                             {"height", size.height},
                             {"width", size.width},
                             {"checkpoint_bytes", conversion.checkpoint_bytes},
                             {"file_bytes", conversion.file_bytes},
                             {"operators", conversion.operators},
                             {"seconds", seconds}});
}

}  // namespace

void add_convert(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command = line.add("convert", "Make a .tflite file of a detector's Hugging Face checkpoint.",
                               "assay convert detr-resnet-50/ -o detr-resnet-50.tflite --size 800x1066");
  add_model(command, options->model, ModelKind::kAny);
  command.add_option("-o,--out", options->out, "the .tflite file to write")->type_name("FILE")->required();
  command.add_option("--size", options->size, "pixels of the input, height x width [800x800]")
      ->type_name("HxW");
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
