#include "flow/quantize_tflite.h"

#include <chrono>
#include <memory>
#include <set>
#include <utility>

#include "base/atomic_file.h"
#include "base/elapsed.h"
#include "base/mapped_file.h"
#include "flow/activation_ranges_file.h"
#include "flow/tflite_file.h"
#include "formats/gptq/module_pattern.h"

namespace assay {
namespace {

// The first error of matching, since the predicate itself cannot fail.
struct PatternFilter {
  std::vector<ModulePattern> patterns;
  std::shared_ptr<Status> status = std::make_shared<Status>();

  tflite::KeepFloat predicate() const {
    return [this](const std::string& label) {
      for (const auto& pattern : patterns) {
        const auto found = pattern.matches(label);
        if (!found && status->has_value()) *status = found.error();
        if (found && *found) return true;
      }
      return false;
    };
  }
};

Result<PatternFilter> compile(const std::vector<std::string>& texts) {
  PatternFilter filter;
  for (const auto& text : texts) {
    auto pattern = ModulePattern::compile("(?s).*?(?:" + text + ")");
    if (!pattern) return pattern.error().with_context("--keep-float");
    filter.patterns.push_back(*std::move(pattern));
  }
  return filter;
}

struct Outcome {
  tflite::Model model;
  TfliteQuantizeReport report;
};

// What calibration said, here or in a file.
struct Ranges {
  tflite::ActivationRanges ranges;
  std::vector<std::string> warnings;
  std::int64_t pictures = 0;
  double seconds = 0;
};

tflite::StaticOptions static_options(const TfliteQuantizeOptions& options,
                                     const tflite::KeepFloat& keep_float) {
  tflite::StaticOptions how;
  how.keep_float = keep_float;
  how.full_integer = options.full_integer;
  how.least_snr = options.least_snr;
  how.int8_io = options.int8_io;
  how.activations = options.activations;
  how.correct_biases = options.correct_biases;
  return how;
}

// `how`: what the ranges are for.
Result<Ranges> find_ranges(const CheckedTflite& checked, const tflite::StaticOptions& how,
                           const TfliteQuantizeOptions& options, Progress& progress) {
  if (!options.write_ranges.empty() && !options.calibration)
    return Error{ErrorCode::kInvalidArgument,
                 "--write-ranges needs --calibration: it writes what that finds"};
  if (options.target != TfliteTarget::kInt8Static) return Ranges{};
  if (options.calibration) {
    const auto start = std::chrono::steady_clock::now();
    ASSAY_TRY(const auto library, litert::Library::open());
    DetectorCalibrationOptions calibration = *options.calibration;
    // A file of ranges is for any options.
    if (options.write_ranges.empty()) {
      auto observed = tflite::tensors_to_observe(checked.model(), how);
      if (!observed) return observed.error().with_context(checked.path().string());
      calibration.tensors = *std::move(observed);
    }
    ASSAY_TRY(DetectorCalibration found, calibrate_detector(checked, library, calibration, progress));
    if (!options.write_ranges.empty()) {
      ASSAY_RETURN_IF_ERROR(write_file_atomically(options.write_ranges,
                                                  write_activation_ranges(found.ranges, checked.model())));
    }
    const double seconds = seconds_since(start);
    return Ranges{std::move(found.ranges), std::move(found.warnings), found.pictures, seconds};
  }
  if (options.ranges.empty()) {
    return Error{
        ErrorCode::kInvalidArgument,
        "static int8 needs the ranges of activations: --calibration FOLDER of pictures, or --ranges FILE"};
  }
  ASSAY_TRY(const MappedFile file, MappedFile::open(options.ranges));
  auto ranges = parse_activation_ranges(file.bytes(), checked.model());
  if (!ranges) return ranges.error().with_context(options.ranges.string());
  return Ranges{*std::move(ranges)};
}

tflite::KeepFloat also_keep(const tflite::KeepFloat& keep_float, const std::vector<std::string>& labels) {
  return [keep_float, kept = std::set<std::string>(labels.begin(), labels.end())](const std::string& label) {
    return kept.contains(label) || keep_float(label);
  };
}

struct Budgeted {
  std::optional<Int8Budget> budget;
  double seconds = 0;
};

Result<Budgeted> find_budget(const CheckedTflite& checked, const tflite::ActivationRanges& ranges,
                             tflite::StaticOptions how, const PatternFilter& filter,
                             const TfliteQuantizeOptions& options, ThreadPool& pool, Progress& progress) {
  if (!options.budget) return Budgeted{};
  const auto start = std::chrono::steady_clock::now();
  ASSAY_TRY(const auto library, litert::Library::open());
  how.least_snr = 0;
  how.int8_io = false;
  ASSAY_TRY(Int8Budget found,
            find_int8_budget(checked, library, ranges, how, *options.budget, pool, progress));
  ASSAY_RETURN_IF_ERROR(*filter.status);
  const double seconds = seconds_since(start);
  return Budgeted{std::move(found), seconds};
}

Result<Outcome> quantize_static(const tflite::Model& model, const tflite::ActivationRanges& ranges,
                                tflite::StaticOptions how, const std::optional<Int8Budget>& budget) {
  if (budget) {
    how.keep_float = also_keep(how.keep_float, budget->kept);
    how.least_snr = 0;
  }
  ASSAY_TRY(auto result, tflite::quantize_static(model, ranges, how));
  return Outcome{std::move(result.model), {result.report.conversion, result.report, budget}};
}

Result<Outcome> quantize_weights(const tflite::Model& model, const TfliteQuantizeOptions& options,
                                 const tflite::KeepFloat& keep_float) {
  const auto run = [&]() -> Result<tflite::Converted> {
    switch (options.target) {
      case TfliteTarget::kFloat32:
        return tflite::restore_float32(model);
      case TfliteTarget::kFloat16:
        return tflite::quantize_float16(model, keep_float);
      case TfliteTarget::kInt8Dynamic:
        return tflite::quantize_int8_weights(model, tflite::Int8Weights::kDynamic, keep_float);
      default:
        return tflite::quantize_int8_weights(model, tflite::Int8Weights::kWeightOnly, keep_float);
    }
  };
  ASSAY_TRY(tflite::Converted converted, run());
  return Outcome{std::move(converted.model), {std::move(converted.report)}};
}

}  // namespace

Result<TfliteQuantizeReport> quantize_tflite(const std::filesystem::path& path,
                                             const std::filesystem::path& out,
                                             const TfliteQuantizeOptions& options, ThreadPool& pool,
                                             Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  std::error_code error;
  if (std::filesystem::equivalent(path, out, error))
    return Error{ErrorCode::kInvalidArgument,
                 out.string() + ": is the model that is read; give another name"};
  ASSAY_TRY(const CheckedTflite checked, CheckedTflite::open(path));
  ASSAY_TRY(const PatternFilter filter, compile(options.keep_float));
  const tflite::StaticOptions how = static_options(options, filter.predicate());
  ASSAY_TRY(const Ranges ranges, find_ranges(checked, how, options, progress));
  ASSAY_TRY(const Budgeted budget, find_budget(checked, ranges.ranges, how, filter, options, pool, progress));
  auto converted = options.target == TfliteTarget::kInt8Static
                       ? quantize_static(checked.model(), ranges.ranges, how, budget.budget)
                       : quantize_weights(checked.model(), options, how.keep_float);
  if (!filter.status->has_value()) return filter.status->error().with_context(path.string());
  if (!converted) return converted.error().with_context(path.string());
  ASSAY_RETURN_IF_ERROR(tflite::validate(converted->model));
  ASSAY_TRY(const std::uint64_t output_bytes, write_tflite(out, converted->model));
  const double seconds = seconds_since(start);
  TfliteQuantizeReport report = std::move(converted->report);
  report.conversion.warnings.insert(report.conversion.warnings.end(), ranges.warnings.begin(),
                                    ranges.warnings.end());
  report.budget_seconds = budget.seconds;
  report.calibration_pictures = ranges.pictures;
  report.calibration_seconds = ranges.seconds;
  report.input_bytes = checked.bytes().size();
  report.output_bytes = output_bytes;
  report.seconds = seconds;
  return report;
}

}  // namespace assay
