#include "flow/int8_budget.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/interrupt.h"
#include "flow/output_error.h"
#include "image/decode.h"

namespace assay {
namespace {

constexpr std::size_t kMostTrims = 12;

class BudgetSearch {
 public:
  BudgetSearch(const CheckedTflite& model, const std::shared_ptr<const litert::Library>& library,
               const tflite::ActivationRanges& ranges, const tflite::StaticOptions& options,
               const Int8BudgetOptions& budget, ThreadPool& pool, Progress& progress)
      : model_(model),
        library_(library),
        ranges_(ranges),
        options_(options),
        budget_(budget),
        pool_(pool),
        progress_(progress) {}

  Result<Int8Budget> run();

 private:
  using Labels = std::set<std::string>;

  Result<CheckedTflite> quantized(const tflite::KeepFloat& in_float) const;
  Result<std::vector<std::vector<float>>> outputs_of(litert::Runner& runner,
                                                     const PreparedPicture& input) const;
  Result<double> output_error(const tflite::KeepFloat& in_float) const;
  Result<double> ap_of(const CheckedTflite& model);
  Result<double> ap_with(const std::vector<std::size_t>& regions);
  Labels labels_of(const std::vector<std::size_t>& regions) const;
  Status read_probes();
  Status measure_regions();
  Result<std::vector<std::size_t>> shortest_prefix();
  Status trim(std::vector<std::size_t>& kept);

  const CheckedTflite& model_;
  const std::shared_ptr<const litert::Library>& library_;
  const tflite::ActivationRanges& ranges_;
  const tflite::StaticOptions& options_;
  const Int8BudgetOptions& budget_;
  ThreadPool& pool_;
  Progress& progress_;
  std::vector<PreparedPicture> probes_;
  std::optional<OutputReference> reference_;
  Int8Budget result_;
};

// The model in float where all operators that could be int8 are among those to keep.
Result<CheckedTflite> BudgetSearch::quantized(const tflite::KeepFloat& in_float) const {
  tflite::StaticOptions options = options_;
  options.keep_float = [&](const std::string& label) {
    return in_float(label) || (options_.keep_float && options_.keep_float(label));
  };
  auto result = tflite::quantize_static(model_.model(), ranges_, options);
  if (!result && result.error().code == ErrorCode::kUnsupported) return model_;
  if (!result) return result.error();
  ASSAY_TRY(std::vector<std::byte> bytes, tflite::write(result->model));
  return CheckedTflite::from_bytes(model_.path(), std::move(bytes));
}

Result<std::vector<std::vector<float>>> BudgetSearch::outputs_of(litert::Runner& runner,
                                                                 const PreparedPicture& input) const {
  ASSAY_RETURN_IF_ERROR(set_inputs(runner, input));
  ASSAY_RETURN_IF_ERROR(runner.invoke());
  std::vector<std::vector<float>> outputs;
  for (std::size_t i = 0; i < runner.outputs().size(); ++i) {
    const auto& tensor = runner.outputs()[i];
    if (tensor.type != litert::ElementType::kFloat32) continue;
    outputs.emplace_back(tensor.num_bytes() / sizeof(float));
    ASSAY_RETURN_IF_ERROR(runner.read_output(i, std::as_writable_bytes(std::span(outputs.back()))));
  }
  return outputs;
}

Status BudgetSearch::read_probes() {
  ASSAY_TRY(Detector detector, Detector::create(model_, library_, budget_.detector));
  ASSAY_TRY(const MappedFile file, MappedFile::open(budget_.data.annotations));
  auto images = parse_coco_images(file.bytes());
  if (!images) return images.error().with_context(budget_.data.annotations.string());
  if (budget_.data.limit > 0 && images->size() > static_cast<std::size_t>(budget_.data.limit))
    images->resize(static_cast<std::size_t>(budget_.data.limit));
  const auto count = std::min<std::size_t>(images->size(), static_cast<std::size_t>(budget_.probes));
  ASSAY_TRY(litert::Runner runner, model_.run_with(library_, {.threads = budget_.detector.threads}));
  std::vector<std::size_t> columns;
  for (const auto& tensor : runner.outputs()) {
    if (tensor.type == litert::ElementType::kFloat32)
      columns.push_back(tensor.shape.empty() ? 1 : static_cast<std::size_t>(tensor.shape.back()));
  }
  reference_.emplace(std::move(columns));
  for (std::size_t i = 0; i < count; ++i) {
    const auto path = budget_.data.pictures / (*images)[i * images->size() / count].file_name;
    ASSAY_TRY(const Image picture, read_image(path));
    auto input = detector.input().prepare(picture);
    if (!input) return input.error().with_context(path.string());
    ASSAY_TRY(auto outputs, outputs_of(runner, *input));
    reference_->add(std::move(outputs));
    probes_.push_back(*std::move(input));
  }
  return {};
}

Result<double> BudgetSearch::output_error(const tflite::KeepFloat& in_float) const {
  ASSAY_RETURN_IF_ERROR(check_interrupt());
  ASSAY_TRY(const CheckedTflite model, quantized(in_float));
  ASSAY_TRY(litert::Runner runner, model.run_with(library_, {.threads = budget_.detector.threads}));
  std::vector<std::vector<std::vector<float>>> outputs;
  for (const auto& probe : probes_) {
    ASSAY_TRY(auto values, outputs_of(runner, probe));
    outputs.push_back(std::move(values));
  }
  return reference_->error(outputs);
}

Result<double> BudgetSearch::ap_of(const CheckedTflite& model) {
  ASSAY_TRY(Detector detector, Detector::create(model, library_, budget_.detector));
  CocoEvaluationOptions data = budget_.data;
  data.resamples = 0;
  ASSAY_TRY(const CocoEvaluation evaluation, evaluate_coco(detector, data, pool_, progress_));
  result_.pictures = evaluation.record.images;
  return std::max(0.0, evaluation.record.ap);
}

BudgetSearch::Labels BudgetSearch::labels_of(const std::vector<std::size_t>& regions) const {
  Labels labels;
  for (const std::size_t region : regions) {
    const auto& more = result_.regions[region].region.labels;
    labels.insert(more.begin(), more.end());
  }
  return labels;
}

Result<double> BudgetSearch::ap_with(const std::vector<std::size_t>& regions) {
  const Labels in_float = labels_of(regions);
  ASSAY_TRY(const CheckedTflite model,
            quantized([&](const std::string& label) { return in_float.contains(label); }));
  return ap_of(model);
}

Status BudgetSearch::measure_regions() {
  tflite::StaticReport report;
  ASSAY_TRY(const tflite::Model prepared, tflite::prepare_static(model_.model(), report));
  auto regions = tflite::float_regions(prepared);
  ASSAY_TRY(result_.int8_error, output_error([](const std::string&) { return false; }));
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const Labels region(regions[i].labels.begin(), regions[i].labels.end());
    const bool stays_float =
        options_.keep_float && std::all_of(region.begin(), region.end(), options_.keep_float);
    double error = 0;
    if (!stays_float) {
      ASSAY_TRY(error, output_error([&](const std::string& label) { return !region.contains(label); }));
    }
    result_.regions.push_back({std::move(regions[i]), error, std::nullopt, false});
    progress_.update("measuring sensitivity", static_cast<std::int64_t>(i) + 1,
                     static_cast<std::int64_t>(regions.size()));
  }
  std::stable_sort(result_.regions.begin(), result_.regions.end(),
                   [](const auto& a, const auto& b) { return a.error > b.error; });
  return {};
}

// The first so many regions that reach the target; all of them where none does.
Result<std::vector<std::size_t>> BudgetSearch::shortest_prefix() {
  const std::size_t all = result_.regions.size();
  const auto prefix = [](std::size_t count) {
    std::vector<std::size_t> regions(count);
    for (std::size_t i = 0; i < count; ++i) regions[i] = i;
    return regions;
  };
  const auto reaches = [&](std::size_t count) -> Result<bool> {
    ASSAY_TRY(const double ap, ap_with(prefix(count)));
    result_.regions[count - 1].ap = ap;
    return ap >= result_.target;
  };
  std::size_t short_of = 0, enough = 1;
  for (;; enough = std::min(2 * enough, all)) {
    ASSAY_TRY(const bool reached, reaches(enough));
    if (reached) break;
    short_of = enough;
    if (enough == all) return prefix(all);
  }
  while (enough - short_of > 1) {
    const std::size_t middle = (short_of + enough) / 2;
    ASSAY_TRY(const bool reached, reaches(middle));
    (reached ? enough : short_of) = middle;
  }
  return prefix(enough);
}

// Noise that one region keeps away may be kept away by the others, too.
Status BudgetSearch::trim(std::vector<std::size_t>& kept) {
  std::size_t tries = 0;
  for (std::size_t at = kept.size(); at-- > 0 && tries < kMostTrims;) {
    std::vector<std::size_t> fewer = kept;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at));
    if (labels_of(fewer).size() == labels_of(kept).size()) continue;
    ++tries;
    ASSAY_TRY(const double ap, ap_with(fewer));
    if (ap < result_.target) continue;
    kept = std::move(fewer);
    result_.ap = ap;
  }
  return {};
}

Result<Int8Budget> BudgetSearch::run() {
  ASSAY_TRY(result_.float_ap, ap_of(model_));
  if (!(result_.float_ap > 0)) {
    return Error{ErrorCode::kInvalidArgument,
                 model_.path().string() + ": finds nothing on the pictures that " +
                     budget_.data.annotations.string() + " names, so no share of its accuracy can be kept"};
  }
  result_.target = budget_.keep * result_.float_ap;
  ASSAY_TRY(result_.int8_ap, ap_with({}));
  result_.ap = result_.int8_ap;
  ASSAY_RETURN_IF_ERROR(read_probes());
  ASSAY_RETURN_IF_ERROR(measure_regions());
  std::vector<std::size_t> kept;
  if (result_.int8_ap < result_.target) {
    ASSAY_TRY(kept, shortest_prefix());
    result_.ap = *result_.regions[kept.size() - 1].ap;
    if (result_.ap >= result_.target) ASSAY_RETURN_IF_ERROR(trim(kept));
  }
  result_.reached = result_.ap >= result_.target;
  for (const std::size_t region : kept) result_.regions[region].kept = true;
  const Labels labels = labels_of(kept);
  result_.kept.assign(labels.begin(), labels.end());
  return std::move(result_);
}

}  // namespace

Result<Int8Budget> find_int8_budget(const CheckedTflite& model,
                                    const std::shared_ptr<const litert::Library>& library,
                                    const tflite::ActivationRanges& ranges,
                                    const tflite::StaticOptions& options, const Int8BudgetOptions& budget,
                                    ThreadPool& pool, Progress& progress) {
  return BudgetSearch(model, library, ranges, options, budget, pool, progress).run();
}

}  // namespace assay
