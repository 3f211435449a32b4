// assay convert: a checkpoint of a detector to .tflite files.
#include <fmt/format.h>

#include <filesystem>

#include "base/elapsed.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "flow/convert_detector.h"
#include "flow/model_registry.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Options {
  std::string model, out;
  std::vector<std::string> sizes = {"4:3"};
  bool padding = false;
};

// With several sizes, each file's name tells its own: detr-800x1066.tflite.
fs::path output_path(const Options& options, const std::string& size) {
  const fs::path out = options.out;
  if (options.sizes.size() == 1) return out;
  std::string suffix = size;
  std::replace(suffix.begin(), suffix.end(), ':', '-');
  return out.parent_path() / (out.stem().string() + "-" + suffix + out.extension().string());
}

Status run(const Options& options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  ordered_json files = ordered_json::array();
  for (const std::string& text : options.sizes) {
    ASSAY_TRY(const DetectorInput input, parse_detector_input(text));
    const fs::path out = output_path(options, text);
    const auto start = std::chrono::steady_clock::now();
    ASSAY_TRY(const DetectorConversion conversion,
              convert_detector_folder(path, out, input, {.padding = options.padding}));
    const double seconds = seconds_since(start);
    session.print(fmt::format("{}: {}x{} pixels (height x width), {}, {} operators, {:.2f} s\n", out.string(),
                              conversion.size.height, conversion.size.width, megabytes(conversion.file_bytes),
                              conversion.operators, seconds));
    files.push_back({{"output", out.string()},
                     {"height", conversion.size.height},
                     {"width", conversion.size.width},
                     {"padding", options.padding},
                     {"checkpoint_bytes", conversion.checkpoint_bytes},
                     {"file_bytes", conversion.file_bytes},
                     {"operators", conversion.operators},
                     {"seconds", seconds}});
  }
  return session.write_json({{"model", path.string()}, {"files", std::move(files)}});
}

}  // namespace

void add_convert(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command = line.add("convert", "Make a .tflite file of a detector's Hugging Face checkpoint.",
                               "assay convert detr-resnet-50/ -o detr-resnet-50.tflite --size 800x1066");
  add_model(command, options->model, ModelKind::kCheckpoint);
  command.add_option("-o,--out", options->out, "the .tflite file to write")->type_name("FILE")->required();
  command
      .add_option(
          "--size", options->sizes,
          "pixels of the input, height x width, or the aspect of the pictures, width:height, which the "
          "checkpoint's processor makes pixels of; several of them give several files [4:3]")
      ->type_name("HxW|W:H,...")
      ->delimiter(',');
  command.add_flag("--padding", options->padding,
                   "a second input, pixel_mask, says which part of the pixels is picture");
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
