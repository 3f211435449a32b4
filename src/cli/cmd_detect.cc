// assay detect: what a detector sees on pictures.
#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "base/interrupt.h"
#include "cli/commands.h"
#include "cli/detector_options.h"
#include "cli/text.h"
#include "flow/detector.h"
#include "flow/draw_detections.h"
#include "flow/model_registry.h"
#include "image/decode.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Options {
  std::string model, out;
  std::vector<std::string> pictures;
  DetectorOptions detector;
  float score = 0.3f;
};

ordered_json detection_json(const detect::Detection& found, const detect::ClassMap& classes) {
  return {{"category", classes.category_name(found.class_index)},
          {"category_id", classes.category_id(found.class_index)},
          {"score", found.score},
          {"box", {found.left, found.top, found.right - found.left, found.bottom - found.top}}};
}

// One drawn file per picture: two pictures of one name would overwrite each other.
Status check_names(const Options& options) {
  std::set<std::string> names;
  for (const auto& picture : options.pictures) {
    if (!options.out.empty() && !names.insert(fs::path(picture).stem().string()).second) {
      return Error{ErrorCode::kInvalidArgument,
                   picture + ": another picture has the same name, and -o writes one file per name"};
    }
  }
  return {};
}

std::string picture_text(const std::string& path, const PictureDetections& result,
                         const detect::ClassMap& classes) {
  std::string text = fmt::format("{}: {} found in {:.1f} ms (pre {:.1f}, post {:.1f})\n", path,
                                 result.detections.size(), 1e3 * result.times.inference,
                                 1e3 * result.times.preprocess, 1e3 * result.times.postprocess);
  for (const auto& found : result.detections) {
    text += fmt::format("  {:.3f}  {:<14} x {:.1f} to {:.1f}, y {:.1f} to {:.1f}\n", found.score,
                        classes.category_name(found.class_index), found.left, found.right, found.top,
                        found.bottom);
  }
  return text;
}

Status run(Options options, Session& session) {
  ASSAY_RETURN_IF_ERROR(check_names(options));
  ASSAY_TRY(const auto path, resolve_model(options.model));
  ASSAY_TRY(const CheckedTflite model, CheckedTflite::open(path));
  ASSAY_TRY(const auto library, litert::Library::open());
  options.detector.threads = session.threads();
  options.detector.score_threshold = options.score;
  ASSAY_TRY(Detector detector, Detector::create(model, library, options.detector));
  if (!options.out.empty()) {
    std::error_code error;
    fs::create_directories(options.out, error);
    if (error) return Error{ErrorCode::kIo, options.out + ": cannot be created: " + error.message()};
  }
  ordered_json pictures = ordered_json::array();
  for (const auto& picture_path : options.pictures) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_TRY(const Image picture, read_image(picture_path));
    auto result = detector.detect(picture);
    if (!result) return result.error().with_context(picture_path);
    // Families whose outputs are complete do not apply the threshold themselves.
    std::erase_if(result->detections, [&](const auto& found) { return found.score < options.score; });
    ordered_json json{{"image", picture_path},
                      {"width", picture.width},
                      {"height", picture.height},
                      {"preprocess_s", result->times.preprocess},
                      {"inference_s", result->times.inference},
                      {"postprocess_s", result->times.postprocess},
                      {"detections", ordered_json::array()}};
    for (const auto& found : result->detections)
      json["detections"].push_back(detection_json(found, detector.classes()));
    if (!options.out.empty()) {
      const fs::path drawn = fs::path(options.out) / (fs::path(picture_path).stem().string() + ".jpg");
      ASSAY_RETURN_IF_ERROR(write_drawn(picture, result->detections, detector.classes(), drawn));
      json["drawn"] = drawn.string();
    }
    session.print(picture_text(picture_path, *result, detector.classes()));
    pictures.push_back(std::move(json));
  }
  return session.write_json({{"model", path.string()},
                             {"head", detect::head_name(detector.head())},
                             {"classes", detector.classes().name},
                             {"images", std::move(pictures)}});
}

}  // namespace

void add_detect(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command = line.add("detect", "Find objects on pictures, list them and draw their boxes.",
                               "assay detect yolox_nano.tflite street.jpg -o drawn");
  add_model(command, options->model, ModelKind::kDetector);
  command.add_option("image", options->pictures, "JPEG or PNG files")->type_name("IMAGE...")->required();
  command.add_option("-o,--out", options->out, "folder for the pictures with boxes drawn on them")
      ->type_name("DIR");
  command.add_option("--score", options->score, "leave out what is less sure [0.3]")
      ->type_name("X")
      ->check(CLI::Range(0.0, 1.0).description(""));
  add_detector_options(command, options->detector);
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
