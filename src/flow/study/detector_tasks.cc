#include "flow/study/detector_tasks.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/mapped_file.h"
#include "eval/coco/readers.h"
#include "flow/calibrate_detector.h"
#include "flow/detector.h"
#include "flow/draw_detections.h"
#include "flow/evaluate_coco.h"
#include "flow/fetch/catalog.h"
#include "flow/quantize_tflite.h"
#include "flow/run_program.h"
#include "flow/seeded_input.h"
#include "flow/study/detector_inputs.h"
#include "flow/study/detector_source.h"
#include "flow/study/rough_sizes.h"
#include "flow/study/study_energy.h"
#include "image/decode.h"
#include "measure/statistics.h"
#include "measure/throughput.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using store::Json;

constexpr float kDrawnScore = 0.3f;
constexpr int kWarmupRuns = 3;
constexpr int kFewestRuns = 5, kMostRuns = 50;
constexpr double kRoundSeconds = 1;  // of one variant in one round, where kFewestRuns take no longer

// One detector of the study. Tasks share it.
class DetectorStudy {
 public:
  DetectorStudy(const DetectorSpec& spec, const StudyContext& context) : spec_(spec), context_(context) {}

  Status look();
  Status look_roughly();
  const DetectorSpec& spec() const { return spec_; }
  Json about() const;
  Json quantize_settings(const std::string& variant) const;
  Json accuracy_settings(const std::string& variant) const;
  TaskCost cost(const std::string& variant, const std::string& kind) const;

  fs::path file_of(const std::string& variant) const;
  fs::path detections_of(const std::string& variant) const;
  Result<Json> quantize(const std::string& variant);
  Result<Json> accuracy(const std::string& variant);
  Result<Json> latency(const std::string& variant, int threads);
  Result<Json> energy(const std::string& variant, int threads);
  Result<Json> memory(const std::string& variant, int threads);
  Result<Json> draw(const std::string& variant, const fs::path& picture);

 private:
  Result<TfliteQuantizeReport> write_variant(const std::string& variant);
  Result<CheckedTflite> open(const std::string& variant);
  Result<std::shared_ptr<const litert::Library>> library();
  Result<Detector> detector(const std::string& variant, int threads, std::optional<float> score);
  std::string relative(const fs::path& path) const { return fs::relative(path, context_.folder).string(); }
  // Whether the variant is the file itself, or what a checkpoint is converted to.
  bool is_source(const std::string& variant) const {
    return variant == "original" || (variant == "float32" && source_.is_checkpoint());
  }
  bool is_reference(const std::string& variant) const { return variant == spec_.variants.front(); }

  DetectorSpec spec_;
  StudyContext context_;
  DetectorSource source_;
  std::string annotations_digest_, calibration_digest_;
  std::uint64_t float_bytes_ = 0;  // of the weights as float32
  std::int64_t pictures_ = 0;
  std::shared_ptr<const litert::Library> library_;
};

Status DetectorStudy::look() {
  ASSAY_TRY(source_, DetectorSource::open(spec_, context_.folder / "models"));
  float_bytes_ = source_.float_bytes();
  ASSAY_RETURN_IF_ERROR(resolve_sets(spec_));
  ASSAY_TRY(annotations_digest_, sha256_of_file(spec_.annotations));
  ASSAY_TRY(const MappedFile annotations, MappedFile::open(spec_.annotations));
  const auto images = parse_coco_images(annotations.bytes());
  if (!images) return images.error().with_context(spec_.annotations.string());
  pictures_ = static_cast<std::int64_t>(images->size());
  if (spec_.limit > 0) pictures_ = std::min(pictures_, spec_.limit);
  if (spec_.pictures.empty()) {
    const auto truth = eval::coco::read_annotations(annotations.bytes());
    if (!truth) return truth.error().with_context(spec_.annotations.string());
    if (truth->annotations.images.size() == images->size()) {
      const auto name = busiest_picture(truth->annotations, *images, pictures_);
      if (name) spec_.pictures.push_back(spec_.images / *name);
    }
  }
  std::error_code error;
  if (!fs::is_directory(spec_.images, error))
    return Error{ErrorCode::kNotFound, spec_.images.string() + ": is no folder, expected the pictures that " +
                                           spec_.annotations.string() + " names"};
  if (!spec_.calibration.empty()) {
    ASSAY_TRY(calibration_digest_, digest_of_pictures(spec_.calibration));
  }
  for (const auto& picture : spec_.pictures) {
    if (!fs::exists(picture, error))
      return Error{ErrorCode::kNotFound, picture.string() + ": is not there, expected a picture to draw on"};
  }
  return {};
}

Status DetectorStudy::look_roughly() {
  const Status looked = look();
  if (looked) return {};
  if (float_bytes_ == 0) {
    const auto bytes = rough_detector_bytes(spec_.model);
    if (!bytes) return looked;
    float_bytes_ = *bytes;
  }
  pictures_ = rough_pictures(spec_.data_set);
  if (spec_.limit > 0) pictures_ = spec_.limit;
  return {};
}

Json DetectorStudy::about() const {
  Json json{
      {"name", spec_.name},
      {"source", spec_.model},
      {"sha256", source_.digest()},
      {"data", spec_.data_set.empty() ? spec_.annotations.string() : spec_.data_set},
      {"limit", spec_.limit},
      {"calibration", spec_.calibration_set.empty() ? spec_.calibration.string() : spec_.calibration_set},
      {"calibration_samples", spec_.calibration_samples},
      {"variants", spec_.variants}};
  const auto item = catalog_item(spec_.model);
  json["licence"] = item && !item->licence.empty() ? Json(item->licence) : Json(nullptr);
  return json;
}

Json DetectorStudy::quantize_settings(const std::string& variant) const {
  Json settings = source_.settings();
  if (variant == "int8") {
    settings["calibration"] = calibration_digest_;
    settings["calibration_samples"] = spec_.calibration_samples;
  }
  return settings;
}

Json DetectorStudy::accuracy_settings(const std::string& variant) const {
  Json settings{{"file", quantize_settings(variant)},
                {"annotations", annotations_digest_},
                {"limit", spec_.limit},
                {"resamples", context_.spec.measure.resamples},
                {"head", spec_.head},
                {"classes", spec_.classes},
                {"reference", nullptr}};
  if (!is_reference(variant)) settings["reference"] = quantize_settings(spec_.variants.front());
  return settings;
}

TaskCost DetectorStudy::cost(const std::string& variant, const std::string& kind) const {
  constexpr double kSecondsPerByte = 6e-9;  // of one inference, by its float weights: 19 ms for 4 MB
  constexpr double kPictureSeconds = 0.02;  // decoding, preparing and postprocessing
  constexpr double kProcessBytes = 40e6;
  const double inference = kSecondsPerByte * static_cast<double>(float_bytes_);
  const double memory = kProcessBytes + 3 * static_cast<double>(float_bytes_);
  TaskCost cost{0.5, 0, static_cast<std::uint64_t>(memory)};
  if (kind == "accuracy") cost.seconds = static_cast<double>(pictures_) * (inference + kPictureSeconds);
  if (kind == "latency")
    cost.seconds = std::max(kRoundSeconds, (kWarmupRuns + kFewestRuns) * inference) + 0.2;
  if (kind == "energy") cost.seconds = std::max(2.0, inference) + 0.3;
  if (kind == "memory") cost.seconds = std::clamp(60 * inference, 2.5, 12.0);
  if (kind == "quantize" && variant == "int8")
    cost.seconds = static_cast<double>(spec_.calibration_samples) * 8 * (inference + kPictureSeconds);
  if (kind == "quantize" && variant != "original") {
    const double share = variant == "float32" ? 1 : variant == "float16" ? 0.5 : 0.27;
    cost.disk_bytes = static_cast<std::uint64_t>(share * static_cast<double>(float_bytes_));
  }
  return cost;
}

fs::path DetectorStudy::file_of(const std::string& variant) const {
  if (is_source(variant)) return source_.file();
  return context_.folder / "models" /
         (spec_.name + "-" + variant + "-" + settings_id(quantize_settings(variant)) + ".tflite");
}

fs::path DetectorStudy::detections_of(const std::string& variant) const {
  return context_.folder / "detections" /
         (spec_.name + "-" + variant + "-" + settings_id(accuracy_settings(variant)) + ".json");
}

Result<std::shared_ptr<const litert::Library>> DetectorStudy::library() {
  if (library_ == nullptr) {
    ASSAY_TRY(library_, litert::Library::open());
  }
  return library_;
}

Result<TfliteQuantizeReport> DetectorStudy::write_variant(const std::string& variant) {
  ASSAY_TRY(const double conversion_seconds, source_.provide());
  if (is_source(variant)) {
    TfliteQuantizeReport report;
    std::error_code error;
    report.input_bytes = source_.stored_bytes();
    report.output_bytes = fs::file_size(source_.file(), error);
    report.seconds = conversion_seconds;
    return report;
  }
  TfliteQuantizeOptions options;
  if (variant == "float32") options.target = TfliteTarget::kFloat32;
  if (variant == "float16") options.target = TfliteTarget::kFloat16;
  if (variant == "int8-dynamic") options.target = TfliteTarget::kInt8Dynamic;
  if (variant == "int8-weight-only") options.target = TfliteTarget::kInt8WeightOnly;
  if (variant == "int8") {
    options.target = TfliteTarget::kInt8Static;
    options.calibration.emplace();
    options.calibration->pictures = spec_.calibration;
    options.calibration->samples = spec_.calibration_samples;
    options.calibration->detector.head = spec_.head;
    options.calibration->detector.classes = spec_.classes;
    options.calibration->detector.threads = context_.kernels.pool->num_threads();
  }
  std::error_code error;
  fs::create_directories(context_.folder / "models", error);
  return quantize_tflite(source_.file(), file_of(variant), options, *context_.kernels.pool, context_.progress);
}

// The file of a variant, made anew if it was removed since it was measured.
Result<CheckedTflite> DetectorStudy::open(const std::string& variant) {
  std::error_code error;
  if (!fs::exists(file_of(variant), error)) {
    ASSAY_TRY(const auto report, write_variant(variant));
    static_cast<void>(report);
  }
  return CheckedTflite::open(file_of(variant));
}

Result<Detector> DetectorStudy::detector(const std::string& variant, int threads,
                                         std::optional<float> score) {
  ASSAY_TRY(const CheckedTflite model, open(variant));
  ASSAY_TRY(auto runtime, library());
  return Detector::create(model, std::move(runtime), {threads, spec_.head, spec_.classes, score});
}

Result<Json> DetectorStudy::quantize(const std::string& variant) {
  ASSAY_TRY(const TfliteQuantizeReport report, write_variant(variant));
  const bool dequantized = variant == "float32" && source_.weight_type() != "float32";
  Json json{{"input_bytes", report.input_bytes},
            {"output_bytes", report.output_bytes},
            {"seconds", report.seconds},
            {"calibration_pictures", report.calibration_pictures},
            {"calibration_seconds", report.calibration_seconds},
            {"reference_of", dequantized ? "dequantized" : "file"},
            {"source_weights", source_.weight_type()},
            {"warnings", report.conversion.warnings}};
  if (report.int8) {
    json["int8_operators"] = report.int8->int8_operators;
    json["float_operators"] = report.int8->float_operators;
  }
  return json;
}

Json category_json(const eval::coco::CategoryFigures& figures) {
  const auto& id = figures.category.id;
  const bool plain = id.kind() == eval::coco::ObjectId::Kind::kInteger;
  return {{"id", plain ? Json(id.integer()) : Json(id.text())},
          {"name", figures.category.name},
          {"AP", figures.ap},
          {"AP50", figures.ap50},
          {"truths", figures.truths}};
}

Json interval_json(const eval::coco::Interval& interval) {
  return {{"low", interval.low}, {"high", interval.high}, {"stderr", interval.standard_error}};
}

Json record_json(const eval::coco::CocoRecord& record) {
  Json json{{"AP", record.ap}, {"AP50", record.ap50}, {"AP75", record.ap75}};
  const char* areas[] = {"", "APs", "APm", "APl"};
  for (std::size_t a = 1; a < std::min<std::size_t>(record.areas.size(), 4); ++a)
    json[areas[a]] = record.areas[a].ap;
  for (const auto& recall : record.recalls) json["AR" + std::to_string(recall.max_detections)] = recall.ar;
  json["images"] = record.images;
  json["per_category"] = Json::array();
  for (const auto& category : record.categories) json["per_category"].push_back(category_json(category));
  return json;
}

double median_of(const std::vector<DetectionTimes>& times, double DetectionTimes::*part) {
  std::vector<double> seconds;
  for (const auto& picture : times) seconds.push_back(picture.*part);
  return seconds.empty() ? 0 : measure::median(seconds);
}

Result<Json> DetectorStudy::accuracy(const std::string& variant) {
  ASSAY_TRY(Detector found, detector(variant, context_.kernels.pool->num_threads(), std::nullopt));
  CocoEvaluationOptions options;
  options.pictures = spec_.images;
  options.annotations = spec_.annotations;
  options.limit = spec_.limit;
  options.resamples = context_.spec.measure.resamples;
  if (!is_reference(variant)) options.reference = detections_of(spec_.variants.front());
  ASSAY_TRY(const CocoEvaluation result,
            evaluate_coco(found, options, *context_.kernels.pool, context_.progress));
  std::error_code error;
  fs::create_directories(context_.folder / "detections", error);
  ASSAY_RETURN_IF_ERROR(
      write_file_atomically(detections_of(variant), coco_results_json(result.run.detections)));
  Json json = record_json(result.record);
  if (result.intervals) {
    json["intervals"] = {{"AP", interval_json(result.intervals->ap)},
                         {"AP50", interval_json(result.intervals->ap50)},
                         {"AP75", interval_json(result.intervals->ap75)}};
  }
  if (result.against_reference) {
    const auto& ap = result.against_reference->ap;
    json["against_reference"] = {{"difference", ap.difference},
                                 {"low", ap.interval.low},
                                 {"high", ap.interval.high},
                                 {"p_value", ap.p_value}};
  }
  json["preprocess_seconds"] = median_of(result.run.times, &DetectionTimes::preprocess);
  json["postprocess_seconds"] = median_of(result.run.times, &DetectionTimes::postprocess);
  json["detections"] = relative(detections_of(variant));
  json["warnings"] = result.warnings;
  return json;
}

Result<Json> DetectorStudy::latency(const std::string& variant, int threads) {
  ASSAY_TRY(const CheckedTflite model, open(variant));
  ASSAY_TRY(auto runtime, library());
  ASSAY_TRY(litert::Runner runner, model.run_with(std::move(runtime), {.threads = threads}));
  ASSAY_RETURN_IF_ERROR(fill_inputs(runner));
  const auto once = [&]() -> Status { return runner.invoke(); };
  ASSAY_TRY(const auto warm, measure::time_repetitions(once, {.warmup = kWarmupRuns, .repetitions = 1}));
  const int runs = static_cast<int>(
      std::clamp(std::ceil(kRoundSeconds / warm.median_seconds), 1.0 * kFewestRuns, 1.0 * kMostRuns));
  ASSAY_TRY(const auto timing, measure::time_repetitions(once, {.warmup = 0, .repetitions = runs}));
  Json json{{"threads", threads},
            {"runs", runs},
            {"seconds", timing.seconds},
            {"median_seconds", timing.median_seconds},
            {"min_seconds", timing.min_seconds},
            {"other_cpu_share", nullptr},
            {"noisy", timing.noisy}};
  if (timing.other_cpu_share) json["other_cpu_share"] = *timing.other_cpu_share;
  return json;
}

Result<Json> DetectorStudy::energy(const std::string& variant, int threads) {
  ASSAY_TRY(const CheckedTflite model, open(variant));
  ASSAY_TRY(auto runtime, library());
  ASSAY_TRY(litert::Runner runner, model.run_with(std::move(runtime), {.threads = threads}));
  ASSAY_RETURN_IF_ERROR(fill_inputs(runner));
  ASSAY_RETURN_IF_ERROR(runner.invoke());
  return measure_energy([&]() -> Status { return runner.invoke(); }, 1, context_.spec.climate.watts_per_core);
}

// In a process that has loaded nothing else.
Result<Json> DetectorStudy::memory(const std::string& variant, int threads) {
  ASSAY_TRY(const CheckedTflite model, open(variant));
  const fs::path out = context_.folder / ".memory.json";
  ASSAY_RETURN_IF_ERROR(run_program({context_.program.string(), "bench", model.path().string(), "--threads",
                                     std::to_string(threads), "--quiet", "--json", out.string()}));
  ASSAY_TRY(const MappedFile file, MappedFile::open(out));
  const Json record = Json::parse(as_text(file.bytes()), nullptr, false);
  std::error_code error;
  fs::remove(out, error);
  if (!record.is_object() || !record.contains("operators"))
    return Error{ErrorCode::kCorrupt, "`assay bench " + model.path().string() + "` gave no record"};
  const Json& operators = record["operators"];
  return Json{{"threads", threads},
              {"peak_rss_bytes", record.value("peak_rss_bytes", Json(nullptr))},
              {"operators", operators.value("total", 0)},
              {"operators_in_xnnpack", operators.value("xnnpack", 0)},
              {"builtin_share", operators.value("builtin_share", 0.0)},
              {"kernels", operators.value("kernels", Json::array())}};
}

Result<Json> DetectorStudy::draw(const std::string& variant, const fs::path& picture) {
  ASSAY_TRY(Detector found, detector(variant, context_.kernels.pool->num_threads(), kDrawnScore));
  ASSAY_TRY(Image image, read_image(picture));
  auto result = found.detect(image);
  if (!result) return result.error().with_context(picture.string());
  std::erase_if(result->detections, [](const auto& box) { return box.score < kDrawnScore; });
  Json boxes = Json::array();
  for (const auto& box : result->detections) {
    boxes.push_back({{"category", found.classes().category_name(box.class_index)},
                     {"score", box.score},
                     {"bbox", {box.left, box.top, box.right - box.left, box.bottom - box.top}}});
  }
  std::error_code error;
  fs::create_directories(context_.folder / "drawings", error);
  const fs::path drawn = context_.folder / "drawings" /
                         (spec_.name + "-" + variant + "-" + settings_id(quantize_settings(variant)) + "-" +
                          picture.stem().string() + ".png");
  ASSAY_RETURN_IF_ERROR(write_drawn(std::move(image), result->detections, found.classes(), drawn));
  return Json{
      {"image", relative(drawn)}, {"source", picture.filename().string()}, {"detections", std::move(boxes)}};
}

}  // namespace

Result<ModelTasks> detector_tasks(const DetectorSpec& spec, const StudyContext& context) {
  const auto study = std::make_shared<DetectorStudy>(spec, context);
  const bool rough = context.inputs == Inputs::kSomeMissing;
  if (const Status looked = rough ? study->look_roughly() : study->look(); !looked)
    return looked.error().with_context(spec.name);
  ModelTasks result;
  result.about = study->about();
  const auto add = [&](const std::string& variant, const char* kind, int round, Json settings,
                       int timed_threads, auto measure) {
    result.tasks.push_back({{store::Task::kDetector, spec.name, variant, kind, round, std::move(settings)},
                            [study, variant, measure] { return measure(*study, variant); },
                            study->cost(variant, kind),
                            timed_threads});
  };
  for (const auto& variant : spec.variants) {
    add(variant, "quantize", 0, study->quantize_settings(variant), 0,
        [](DetectorStudy& it, const std::string& v) { return it.quantize(v); });
    add(variant, "accuracy", 0, study->accuracy_settings(variant), 0,
        [](DetectorStudy& it, const std::string& v) { return it.accuracy(v); });
    for (const auto& picture : study->spec().pictures) {
      add(variant, "drawing", 0,
          {{"file", study->quantize_settings(variant)}, {"image", picture.filename().string()}}, 0,
          [picture](DetectorStudy& it, const std::string& v) { return it.draw(v, picture); });
    }
    for (const int threads : context.timing_threads()) {
      add(variant, "memory", 0, {{"file", study->quantize_settings(variant)}, {"threads", threads}}, 0,
          [threads](DetectorStudy& it, const std::string& v) { return it.memory(v, threads); });
    }
  }
  const std::string& pin = context.spec.measure.pin;
  const auto& watts = context.spec.climate.watts_per_core;
  for (const auto& variant : spec.variants) {
    if (!watts && !counts_energy()) break;
    const int threads = context.timing_threads().back();
    add(variant, "energy", 0,
        {{"file", study->quantize_settings(variant)},
         {"threads", threads},
         {"pin", pin},
         {"watts_per_core", watts ? Json(*watts) : Json(nullptr)}},
        threads, [threads](DetectorStudy& it, const std::string& v) { return it.energy(v, threads); });
  }
  for (int round = 0; round < context.spec.measure.repetitions; ++round) {
    for (const int threads : context.timing_threads()) {
      for (const auto& variant : spec.variants) {
        add(variant, "latency", round,
            {{"file", study->quantize_settings(variant)}, {"threads", threads}, {"pin", pin}}, threads,
            [threads](DetectorStudy& it, const std::string& v) { return it.latency(v, threads); });
      }
    }
  }
  return result;
}

}  // namespace assay
