#include "flow/detector_study.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "eval/coco/readers.h"
#include "flow/detect_coco.h"
#include "flow/fnv.h"
#include "flow/quantize_tflite.h"
#include "image/decode.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
namespace coco = eval::coco;
using nlohmann::ordered_json;

constexpr std::pair<const char*, TfliteTarget> kVariants[] = {{"float32", TfliteTarget::kFloat32},
                                                              {"float16", TfliteTarget::kFloat16},
                                                              {"int8-static", TfliteTarget::kInt8Static},
                                                              {"int8-dynamic", TfliteTarget::kInt8Dynamic}};

// What all variants are measured on.
struct Ground {
  std::vector<CocoImage> images;
  coco::Annotations annotations;
  std::int64_t calibration_pictures = 0;
  ordered_json identity;
};

// A variant that is quantized and has looked at the pictures.
struct Measured {
  DetectorStudyRow row;
  std::string detections;  // as a COCO result file
  bool stored = false;
};

Result<std::uint64_t> hash_of(const fs::path& path) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  return fnv1a(file.bytes());
}

Result<Ground> read_ground(const fs::path& source, const DetectorStudyOptions& options,
                           std::vector<std::string>& warnings) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(options.annotations));
  auto images = parse_coco_images(file.bytes());
  if (!images) return images.error().with_context(options.annotations.string());
  auto parsed = coco::read_annotations(file.bytes());
  if (!parsed) return parsed.error().with_context(options.annotations.string());
  for (const auto& warning : parsed->warnings)
    warnings.push_back(options.annotations.string() + ": " + warning);
  Ground ground{*std::move(images), std::move(parsed->annotations), 0, {}};
  if (ground.images.empty())
    return Error{ErrorCode::kCorrupt, options.annotations.string() + ": lists no images"};
  std::set<std::uint64_t> evaluated;
  for (const CocoImage& image : ground.images) {
    ASSAY_TRY(const std::uint64_t hash, hash_of(options.pictures / image.file_name));
    evaluated.insert(hash);
  }
  ASSAY_TRY(const auto calibration, pictures_in(options.calibration));
  std::vector<std::uint64_t> calibrated;
  for (const fs::path& path : calibration) {
    ASSAY_TRY(const std::uint64_t hash, hash_of(path));
    if (evaluated.contains(hash)) {
      return Error{ErrorCode::kInvalidArgument,
                   path.string() + ": is also one of the pictures to evaluate on, expected another"};
    }
    calibrated.push_back(hash);
  }
  ground.calibration_pictures = static_cast<std::int64_t>(calibrated.size());
  ASSAY_TRY(const std::uint64_t model, hash_of(source));
  ground.identity = {{"model", model},
                     {"annotations", fnv1a(file.bytes())},
                     {"pictures", std::vector(evaluated.begin(), evaluated.end())},
                     {"calibration", calibrated}};
  return ground;
}

Result<ordered_json> stored_json(const fs::path& path, const ordered_json& identity) {
  if (!fs::exists(path)) return ordered_json();
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  ordered_json json = ordered_json::parse(as_text(file.bytes()), nullptr, false);
  if (!json.is_object() || !json.contains("identity") || json["identity"] != identity) return ordered_json();
  return json;
}

Result<Measured> measure_variant(const fs::path& source, const fs::path& path, TfliteTarget target,
                                 DetectorStudyRow row, const Ground& ground,
                                 const DetectorStudyOptions& options,
                                 const std::shared_ptr<const litert::Library>& library, ThreadPool& pool,
                                 Progress& progress) {
  TfliteQuantizeOptions quantize;
  quantize.target = target;
  if (target == TfliteTarget::kInt8Static) {
    quantize.calibration.emplace();
    quantize.calibration->pictures = options.calibration;
  }
  ASSAY_TRY(const TfliteQuantizeReport report, quantize_tflite(source, path, quantize, pool, progress));
  row.bytes = report.output_bytes;
  row.quantization_seconds = report.seconds;
  row.dequantized = target == TfliteTarget::kFloat32 && report.conversion.converted > 0;
  if (report.int8) {
    for (const auto& [name, count] : report.int8->float_operators) row.float_operators += count;
  }
  ASSAY_TRY(const CheckedTflite model, CheckedTflite::open(path));
  ASSAY_TRY(Detector detector, Detector::create(model, library, {}));
  ASSAY_TRY(const CocoRun run, detect_coco(detector, ground.images, options.pictures, progress));
  return Measured{std::move(row), coco_results_json(run.detections), false};
}

Status keep(const fs::path& path, const Measured& measured, const ordered_json& identity) {
  const ordered_json json{{"identity", identity},
                          {"variant", measured.row.variant},
                          {"bytes", measured.row.bytes},
                          {"dequantized", measured.row.dequantized},
                          {"quantization_seconds", measured.row.quantization_seconds},
                          {"float_operators", measured.row.float_operators},
                          {"detections", ordered_json::parse(measured.detections)}};
  return write_file_atomically(path, json.dump(1) + "\n");
}

// Nothing where no earlier run of the same left both the model and what it found.
Result<std::optional<Measured>> stored_variant(const fs::path& record, const fs::path& model,
                                               const ordered_json& identity) {
  ASSAY_TRY(const ordered_json json, stored_json(record, identity));
  std::error_code error;
  if (!json.is_object() || !json.contains("detections") || !fs::exists(model, error) ||
      fs::file_size(model, error) != json.value("bytes", std::uint64_t{0})) {
    return std::optional<Measured>();
  }
  Measured measured;
  measured.row.variant = json.value("variant", "");
  measured.row.bytes = json.value("bytes", std::uint64_t{0});
  measured.row.dequantized = json.value("dequantized", false);
  measured.row.quantization_seconds = json.value("quantization_seconds", 0.0);
  measured.row.float_operators = json.value("float_operators", std::uint64_t{0});
  measured.detections = json["detections"].dump();
  measured.stored = true;
  return std::optional(std::move(measured));
}

ordered_json times_json(const std::vector<RoundTimes>& times) {
  ordered_json list = ordered_json::array();
  for (const RoundTimes& row : times) {
    list.push_back({{"threads", row.threads},
                    {"runs", row.runs},
                    {"median_s", row.median_seconds},
                    {"p90_s", row.p90_seconds},
                    {"deviation_s", row.deviation_seconds},
                    {"noisy", row.noisy}});
  }
  return list;
}

std::vector<RoundTimes> times_from(const ordered_json& list) {
  std::vector<RoundTimes> times;
  for (const auto& row : list) {
    times.push_back({row.value("threads", 0), row.value("runs", 0), row.value("median_s", 0.0),
                     row.value("p90_s", 0.0), row.value("deviation_s", 0.0), row.value("noisy", false)});
  }
  return times;
}

// The input is a real picture: the first.
Status time_variants(const fs::path& folder, const Ground& ground, const DetectorStudyOptions& options,
                     const std::shared_ptr<const litert::Library>& library, std::vector<Measured>& variants,
                     Progress& progress) {
  ASSAY_TRY(const Image picture, read_image(options.pictures / ground.images[0].file_name));
  std::vector<CheckedTflite> models;
  std::vector<std::vector<std::byte>> inputs;
  for (const Measured& variant : variants) {
    ASSAY_TRY(CheckedTflite model, CheckedTflite::open(folder / (variant.row.variant + ".tflite")));
    ASSAY_TRY(const Detector detector, Detector::create(model, library, {}));
    ASSAY_TRY(PreparedInput input, detector.prepare(picture));
    models.push_back(std::move(model));
    inputs.push_back(std::move(input.bytes));
  }
  std::vector<TimedModel> timed;
  for (std::size_t i = 0; i < models.size(); ++i) timed.push_back({&models[i], inputs[i]});
  ASSAY_TRY(auto times, time_in_rounds(timed, library, options.timing, progress));
  for (std::size_t i = 0; i < variants.size(); ++i) variants[i].row.times = std::move(times[i]);
  return {};
}

// Takes the times from `folder`/times.json if they are of these settings, else takes them and keeps them.
Status time_or_read(const fs::path& folder, const Ground& ground, const DetectorStudyOptions& options,
                    const std::shared_ptr<const litert::Library>& library, std::vector<Measured>& variants,
                    const std::function<void(const std::string&)>& announce, Progress& progress) {
  ordered_json identity = ground.identity;
  identity["threads"] = options.timing.threads;
  identity["rounds"] = options.timing.rounds;
  identity["seconds_per_turn"] = options.timing.seconds_per_turn;
  const fs::path path = folder / "times.json";
  const bool all_stored =
      std::all_of(variants.begin(), variants.end(), [](const Measured& variant) { return variant.stored; });
  if (all_stored) {
    ASSAY_TRY(const ordered_json json, stored_json(path, identity));
    if (json.is_object() && json.contains("times") && json["times"].size() == variants.size()) {
      for (std::size_t i = 0; i < variants.size(); ++i) variants[i].row.times = times_from(json["times"][i]);
      return {};
    }
  }
  announce("timing");
  ASSAY_RETURN_IF_ERROR(time_variants(folder, ground, options, library, variants, progress));
  ordered_json json{{"identity", identity}, {"times", ordered_json::array()}};
  for (const Measured& variant : variants) json["times"].push_back(times_json(variant.row.times));
  return write_file_atomically(path, json.dump(1) + "\n");
}

Status fill_precision(const Ground& ground, const DetectorStudyOptions& options,
                      std::vector<Measured>& variants, ThreadPool& pool, std::vector<std::string>& warnings) {
  const coco::BootstrapOptions resampling{.resamples = options.resamples};
  std::optional<coco::Detections> of_float;
  for (Measured& variant : variants) {
    DetectorStudyRow& row = variant.row;
    ASSAY_TRY(auto file, coco::read_detections(as_bytes(variant.detections), ground.annotations, pool));
    for (const auto& warning : file.warnings) warnings.push_back(row.variant + ": " + warning);
    ASSAY_TRY(row.record, coco::evaluate(ground.annotations, file.detections, {}, pool));
    ASSAY_TRY(row.intervals, coco::bootstrap(ground.annotations, file.detections, {}, resampling, pool));
    if (!of_float) {
      of_float = std::move(file.detections);
      continue;
    }
    ASSAY_TRY(row.against_float,
              coco::bootstrap_paired(ground.annotations, *of_float, file.detections, {}, resampling, pool));
  }
  return {};
}

}  // namespace

Result<DetectorStudy> run_detector_study(const fs::path& source, const fs::path& folder,
                                         const DetectorStudyOptions& options,
                                         const std::function<void(const std::string&)>& announce,
                                         ThreadPool& pool, Progress& progress) {
  DetectorStudy study;
  ASSAY_TRY(const Ground ground, read_ground(source, options, study.warnings));
  study.calibration_pictures = ground.calibration_pictures;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error{ErrorCode::kIo, folder.string() + ": " + error.message()};
  ASSAY_TRY(const auto library, litert::Library::open());
  std::vector<Measured> variants;
  for (const auto& [name, target] : kVariants) {
    const fs::path model = folder / (std::string(name) + ".tflite");
    const fs::path record = folder / (std::string(name) + ".json");
    ASSAY_TRY(std::optional<Measured> measured, stored_variant(record, model, ground.identity));
    if (!measured) {
      announce(name);
      DetectorStudyRow row;
      row.variant = name;
      ASSAY_TRY(measured, measure_variant(source, model, target, std::move(row), ground, options, library,
                                          pool, progress));
      ASSAY_RETURN_IF_ERROR(keep(record, *measured, ground.identity));
    }
    study.resumed = study.resumed || measured->stored;
    variants.push_back(*std::move(measured));
  }
  ASSAY_RETURN_IF_ERROR(time_or_read(folder, ground, options, library, variants, announce, progress));
  ASSAY_RETURN_IF_ERROR(fill_precision(ground, options, variants, pool, study.warnings));
  for (Measured& variant : variants) study.rows.push_back(std::move(variant.row));
  return study;
}

}  // namespace assay
