#include "flow/calibrate_detector.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <utility>

#include "base/interrupt.h"
#include "base/thread_pool.h"
#include "formats/tflite/model.h"
#include "image/decode.h"
#include "quant/tflite/attention.h"
#include "quant/tflite/histogram.h"
#include "quant/tflite/range_estimators.h"
#include "quant/tflite/weights.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// What is kept of one tensor.
struct Statistics {
  tflite::Histogram histogram;
  std::vector<double> channel_sums;  // as many as its last dimension; none: not wanted
  tflite::MovingAverageRange average;
  bool keep_average = false;

  void add(std::span<const float> values) {
    histogram.add(values);
    const std::size_t channels = channel_sums.size();
    for (std::size_t begin = 0; channels > 0 && begin + channels <= values.size(); begin += channels) {
      for (std::size_t i = 0; i < channels; ++i) channel_sums[i] += static_cast<double>(values[begin + i]);
    }
    if (!keep_average || values.empty()) return;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    average.update({*low, *high});
  }

  // Empty where a value was not finite.
  std::vector<float> channel_means() const {
    if (histogram.not_finite() > 0) return {};
    std::vector<float> means;
    const double values = static_cast<double>(histogram.count()) / static_cast<double>(channel_sums.size());
    for (const double sum : channel_sums) means.push_back(static_cast<float>(sum / values));
    return means;
  }

  std::optional<tflite::Range> moving_average() const {
    auto range = average.range();
    if (range) range->rms = histogram.rms();
    return range;
  }

  // REQUIRES: options.method.
  std::optional<tflite::Range> range(const DetectorCalibrationOptions& options) const {
    if (histogram.count() == 0) return std::nullopt;
    switch (*options.method) {
      case RangeMethod::kMinMax:
        return histogram.min_max();
      case RangeMethod::kPercentile:
        return tflite::percentile_range(histogram, options.percentile);
      case RangeMethod::kMse:
        return tflite::mse_range(histogram);
      case RangeMethod::kEntropy:
        return tflite::entropy_range(histogram);
      case RangeMethod::kMovingAverage:
        return moving_average();
    }
    return std::nullopt;
  }
};

// The computed float tensors of the main subgraph, in groups whose bytes stay within the limit.
std::vector<std::vector<int>> group_tensors(const tflite::Model& model,
                                            const DetectorCalibrationOptions& options) {
  const tflite::Subgraph& graph = model.main();
  const tflite::Uses uses = tflite::find_uses(graph);
  std::vector<std::vector<int>> groups;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < graph.tensors.size(); ++i) {
    const tflite::Tensor& tensor = graph.tensors[i];
    if (i < options.tensors.size() && !options.tensors[i]) continue;
    // Scalars are left out: the runtime cannot tell them from tensors whose shape is not known.
    if (uses.producer[i] < 0 || tensor.type != tflite::TensorType::kFloat32 || tensor.shape.empty()) continue;
    const auto size = tflite::storage_bytes(tensor.type, tensor.shape);
    if (!size) continue;
    if (groups.empty() || bytes + *size > options.max_bytes_per_pass) {
      groups.emplace_back();
      bytes = 0;
    }
    groups.back().push_back(static_cast<int>(i));
    bytes += *size;
  }
  return groups;
}

// Of the tensors that are multiplied with weights: how many channels they have. By tensor, 0 for others.
std::vector<std::size_t> weighted_channels(const tflite::Subgraph& graph) {
  std::vector<std::size_t> channels(graph.tensors.size(), 0);
  for (const tflite::Operator& op : graph.operators) {
    const auto roles = tflite::weighted_op(op.op);
    if (!roles || op.inputs.size() <= roles->input || op.inputs[roles->input] < 0) continue;
    const auto input = static_cast<std::size_t>(op.inputs[roles->input]);
    const auto& shape = graph.tensors[input].shape;
    channels[input] = shape.empty() ? 0 : static_cast<std::size_t>(std::max(0, shape.back()));
  }
  return channels;
}

std::vector<fs::path> spread_evenly(const std::vector<fs::path>& all, std::int64_t samples) {
  const auto count = static_cast<std::int64_t>(all.size());
  if (count <= samples) return all;
  std::vector<fs::path> taken;
  for (std::int64_t i = 0; i < samples; ++i)
    taken.push_back(all[static_cast<std::size_t>(i * count / samples)]);
  return taken;
}

// One pass over the pictures with some tensors as outputs, through the part of the graph that computes them.
class Pass {
 public:
  static Result<Pass> create(const tflite::Model& model, const std::vector<int>& tensors,
                             const std::shared_ptr<const litert::Library>& library, int threads) {
    ASSAY_TRY(const tflite::Model part, tflite::part_that_computes(model, tensors));
    ASSAY_TRY(std::vector<std::byte> bytes, tflite::write(part));
    auto storage = std::make_unique<std::vector<std::byte>>(std::move(bytes));
    ASSAY_TRY(litert::Runner runner, litert::Runner::from_bytes(library, *storage, {.threads = threads}));
    return Pass(std::move(storage), std::move(runner), tensors);
  }

  Status run(const PreparedPicture& input, ThreadPool& pool, std::map<int, Statistics>& statistics) {
    ASSAY_RETURN_IF_ERROR(set_inputs(runner_, input));
    ASSAY_RETURN_IF_ERROR(runner_.invoke());
    // A tensor at a time for each thread, whoever is free: tensors are of quite different size.
    std::atomic<std::size_t> next{0};
    std::vector<Status> statuses(static_cast<std::size_t>(pool.num_threads()));
    pool.parallel_for(pool.num_threads(), 1, [&](WorkRange range) {
      Status& status = statuses[static_cast<std::size_t>(range.thread)];
      for (std::size_t i = next++; status && i < tensors_.size(); i = next++) {
        status = runner_.visit_output(i, [&](ByteView bytes) {
          // The runtime aligns its tensors to more than a float needs.
          statistics.at(tensors_[i])
              .add({reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)});
        });
      }
    });
    for (const Status& status : statuses) ASSAY_RETURN_IF_ERROR(status);
    return {};
  }

 private:
  Pass(std::unique_ptr<std::vector<std::byte>> bytes, litert::Runner runner, std::vector<int> tensors)
      : bytes_(std::move(bytes)), runner_(std::move(runner)), tensors_(std::move(tensors)) {}

  std::unique_ptr<std::vector<std::byte>> bytes_;  // what the runner reads
  litert::Runner runner_;
  std::vector<int> tensors_;  // in the order of the runner's outputs
};

// Without the detector: its runtime would stay in memory beside the passes'.
Result<PictureInput> picture_input(const CheckedTflite& checked,
                                   const std::shared_ptr<const litert::Library>& library,
                                   const DetectorOptions& options) {
  ASSAY_TRY(const Detector detector, Detector::create(checked, library, options));
  return detector.input();
}

Result<PreparedPicture> read_input(const PictureInput& recipe, const fs::path& path) {
  ASSAY_RETURN_IF_ERROR(check_interrupt());
  ASSAY_TRY(const Image picture, read_image(path));
  auto input = recipe.prepare(picture);
  if (!input) return input.error().with_context(path.string());
  return input;
}

void finish(const tflite::Model& model, const std::map<int, Statistics>& statistics,
            const DetectorCalibrationOptions& options, DetectorCalibration& result) {
  result.ranges.resize(model.main().tensors.size());
  for (const auto& [tensor, kept] : statistics) {
    const auto at = static_cast<std::size_t>(tensor);
    result.ranges[at] = kept.range(options);
    if (result.ranges[at]) result.ranges[at]->channel_means = kept.channel_means();
    if (kept.histogram.not_finite() > 0) {
      result.warnings.push_back("tensor " + model.main().tensors[at].name + " took " +
                                std::to_string(kept.histogram.not_finite()) + " values that are not finite");
    }
  }
}

}  // namespace

Result<std::vector<fs::path>> pictures_in(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> pictures;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::string extension = entry->path().extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (extension == ".jpg" || extension == ".jpeg" || extension == ".png") pictures.push_back(entry->path());
  }
  if (error)
    return Error{ErrorCode::kNotFound, folder.string() + ": cannot be read as a folder: " + error.message()};
  if (pictures.empty())
    return Error{ErrorCode::kNotFound,
                 folder.string() + ": has no pictures, expected .jpg, .jpeg or .png files"};
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

Result<DetectorCalibration> calibrate_detector(const CheckedTflite& checked,
                                               std::shared_ptr<const litert::Library> library,
                                               const DetectorCalibrationOptions& wanted, Progress& progress) {
  DetectorCalibrationOptions options = wanted;
  ASSAY_TRY(const auto all, pictures_in(options.pictures));
  const auto pictures = spread_evenly(all, options.samples);
  ASSAY_TRY(const PictureInput recipe, picture_input(checked, library, options.detector));
  const tflite::Model& model = checked.model();
  if (!options.method)
    options.method = tflite::has_attention(model) ? RangeMethod::kMse : RangeMethod::kPercentile;
  const auto groups = group_tensors(model, options);
  DetectorCalibration result;
  result.pictures = static_cast<std::int64_t>(pictures.size());
  result.passes = static_cast<std::int64_t>(groups.size());
  std::map<int, Statistics> statistics;
  const auto channels = weighted_channels(model.main());
  const auto prepare = [&](int tensor) {
    statistics[tensor].channel_sums.resize(channels[static_cast<std::size_t>(tensor)]);
    statistics[tensor].keep_average = options.method == RangeMethod::kMovingAverage;
  };
  const int input_tensor = model.main().inputs.at(0);
  const bool float_input = recipe.is_float();
  if (float_input) prepare(input_tensor);
  ThreadPool pool(options.detector.threads);
  std::int64_t done = 0;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    for (const int tensor : groups[group]) prepare(tensor);
    auto pass = Pass::create(model, groups[group], library, options.detector.threads);
    // The pass has its own copy of the weights.
    checked.release_pages();
    if (!pass)
      return pass.error().with_context(checked.path().string() + " with its inner tensors as outputs");
    for (const auto& path : pictures) {
      ASSAY_TRY(const PreparedPicture input, read_input(recipe, path));
      if (float_input && group == 0) {
        std::vector<float> values(input.inputs[0].size() / sizeof(float));
        std::memcpy(values.data(), input.inputs[0].data(), input.inputs[0].size());
        statistics.at(input_tensor).add(values);
      }
      ASSAY_RETURN_IF_ERROR(pass->run(input, pool, statistics));
      progress.update("calibrating", ++done, result.pictures * result.passes);
    }
  }
  finish(model, statistics, options, result);
  return result;
}

}  // namespace assay
