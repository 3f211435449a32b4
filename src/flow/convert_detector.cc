#include "flow/convert_detector.h"

#include <charconv>

#include "engine/checkpoint.h"
#include "flow/tflite_file.h"

namespace assay {
namespace {

Result<detect::Processor> read_processor_file(const std::filesystem::path& folder) {
  const auto path = folder / "preprocessor_config.json";
  const auto file = MappedFile::open(path);
  if (!file)
    return Error{file.error().code,
                 file.error().message + "; it says how the model's pictures are normalized"};
  auto processor = detect::read_processor(as_text(file->bytes()));
  if (!processor) return processor.error().with_context(path.string());
  return processor;
}

// Two positive numbers around `separator`.
std::optional<std::pair<int, int>> two_numbers(std::string_view text, char separator) {
  std::pair<int, int> numbers;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, numbers.first);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != separator) return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, numbers.second);
  if (second.ec != std::errc() || second.ptr != end || numbers.first < 1 || numbers.second < 1)
    return std::nullopt;
  return numbers;
}

}  // namespace

Result<DetectorInput> parse_detector_input(std::string_view text) {
  DetectorInput input;
  if (const auto size = two_numbers(text, 'x')) {
    input.size = detect::InputSize{size->first, size->second};
    return input;
  }
  if (const auto aspect = two_numbers(text, ':'); aspect && aspect->first <= 1000 && aspect->second <= 1000) {
    input.aspect_width = aspect->first;
    input.aspect_height = aspect->second;
    return input;
  }
  return Error{ErrorCode::kInvalidArgument,
               "size: '" + std::string(text) +
                   "', expected height x width such as 800x1066, or an aspect such as 4:3"};
}

Result<DetectorConversion> convert_detector_folder(const std::filesystem::path& folder,
                                                   const std::filesystem::path& output,
                                                   const DetectorInput& input,
                                                   const detect::ConvertOptions& options) {
  ASSAY_TRY(const Checkpoint checkpoint, open_checkpoint(folder));
  ASSAY_TRY(const detect::Processor processor, read_processor_file(folder));
  DetectorConversion result;
  // Large, so that the rule's rounding to whole pixels is that of the target alone.
  constexpr int kPixels = 1000;
  result.size =
      input.size ? *input.size
                 : processed_size(processor, {input.aspect_height * kPixels, input.aspect_width * kPixels});
  auto model =
      detect::convert_detector(checkpoint.config_json, processor, checkpoint.tensors, result.size, options);
  if (!model) return model.error().with_context(folder.string());
  for (const auto& [name, view] : checkpoint.tensors) result.checkpoint_bytes += view.bytes.size();
  result.operators = model->main().operators.size();
  ASSAY_TRY(result.file_bytes, write_tflite(output, *model));
  return result;
}

}  // namespace assay
