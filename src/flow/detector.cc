#include "flow/detector.h"

#include <chrono>
#include <utility>

#include "base/elapsed.h"
#include "detect/heads/choose_head.h"
#include "detect/heads/detector_card.h"
#include "flow/element_types.h"

namespace assay {
namespace {

using litert::TensorDescription;
using Clock = std::chrono::steady_clock;

std::vector<detect::OutputInfo> output_infos(const litert::Runner& runner) {
  std::vector<detect::OutputInfo> infos;
  for (const auto& output : runner.outputs()) infos.push_back({output.name, output.shape});
  return infos;
}

Result<std::vector<detect::Output>> read_outputs(litert::Runner& runner) {
  std::vector<detect::Output> outputs;
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < runner.outputs().size(); ++i) {
    const TensorDescription& tensor = runner.outputs()[i];
    bytes.resize(tensor.num_bytes());
    ASSAY_RETURN_IF_ERROR(runner.read_output(i, bytes));
    const auto dtype = dtype_of(tensor.type);
    if (!dtype) return unsupported_type(tensor);
    detect::OutputQuantization quantization;
    if (tensor.quantization) {
      quantization.scale = tensor.quantization->scale;
      quantization.zero_point = static_cast<int>(tensor.quantization->zero_point);
    }
    ASSAY_TRY(auto output, detect::read_output({tensor.name, tensor.shape}, *dtype, quantization, bytes));
    outputs.push_back(std::move(output));
  }
  return outputs;
}

Result<detect::ClassMap> labelled_classes(const detect::DetectorCard& card, int count) {
  if (static_cast<std::size_t>(count) == card.labels.size())
    return detect::class_map_from_labels(card.labels);
  return Error{ErrorCode::kCorrupt, "metadata " + std::string(detect::kDetectorCardName) + ": names " +
                                        std::to_string(card.labels.size()) + " labels of " +
                                        std::to_string(count) + " classes"};
}

}  // namespace

Result<Detector> Detector::create(const CheckedTflite& model, std::shared_ptr<const litert::Library> library,
                                  const DetectorOptions& options) {
  ASSAY_TRY(litert::Runner runner, model.run_with(std::move(library), {.threads = options.threads}));
  Detector detector(model, std::move(runner));
  if (const Status status = detector.configure(options); !status)
    return status.error().with_context(model.path().string());
  return detector;
}

Status Detector::configure(const DetectorOptions& options) {
  if (runner_.inputs().empty())
    return Error{ErrorCode::kUnsupported, "the model has no input, expected a picture"};
  const TensorDescription& input = runner_.inputs()[0];
  const auto infos = output_infos(runner_);
  // The sides alone, which every family reads from the shape in the same way.
  ASSAY_TRY(const InputSpec sides, detect::default_input_spec(detect::HeadKind::kYolox, input.shape));
  ASSAY_TRY(const auto card, detect::find_card(model_.model()));
  if (!options.head.empty()) {
    ASSAY_TRY(head_, detect::head_from_name(options.head));
  } else if (card) {
    head_ = card->head;
  } else {
    ASSAY_TRY(head_, detect::choose_head(infos, sides.width, sides.height));
  }
  ASSAY_TRY(input_, PictureInput::create(runner_.inputs(), head_, card));
  head_options_ = detect::evaluation_options(head_);
  if (card) head_options_.max_detections = card->max_detections;
  if (options.classes.empty()) {
    ASSAY_TRY(const int count, detect::class_count(head_, infos, sides.width, sides.height));
    ASSAY_TRY(classes_, card ? labelled_classes(*card, count) : detect::coco_class_map(head_, count));
  } else {
    ASSAY_TRY(classes_, detect::class_map_from_name(options.classes));
  }
  if (options.score_threshold) head_options_.score_threshold = *options.score_threshold;
  return {};
}

Result<PictureDetections> Detector::detect(const Image& picture) {
  PictureDetections result;
  auto start = Clock::now();
  ASSAY_TRY(const PreparedPicture input, input_.prepare(picture));
  ASSAY_RETURN_IF_ERROR(set_inputs(runner_, input));
  result.times.preprocess = seconds_since(start);
  start = Clock::now();
  ASSAY_RETURN_IF_ERROR(runner_.invoke());
  result.times.inference = seconds_since(start);
  start = Clock::now();
  ASSAY_TRY(const auto outputs, read_outputs(runner_));
  ASSAY_TRY(result.detections, detect::decode_detections(head_, outputs, input.width, input.height,
                                                         input.placement, head_options_));
  result.times.postprocess = seconds_since(start);
  return result;
}

}  // namespace assay
