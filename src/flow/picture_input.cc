#include "flow/picture_input.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "flow/element_types.h"

namespace assay {
namespace {

using litert::TensorDescription;

constexpr std::size_t kPixelBytes = 3 * sizeof(float);

// Whether there is a mask of the first input's rows and columns beside it.
bool has_mask(std::span<const TensorDescription> inputs) {
  if (inputs.size() != 2 || inputs[0].shape.size() != 4) return false;
  const auto& pixels = inputs[0].shape;
  return inputs[0].type == litert::ElementType::kFloat32 && inputs[1].type == litert::ElementType::kFloat32 &&
         inputs[1].shape == std::vector<std::int64_t>{1, pixels[1], pixels[2]};
}

}  // namespace

Result<PictureInput> PictureInput::create(std::span<const TensorDescription> inputs, detect::HeadKind head,
                                          const std::optional<detect::DetectorCard>& card) {
  const bool padded = card && card->fit == FitKind::kLetterboxTopLeft && has_mask(inputs);
  if (inputs.size() != 1 && !padded) {
    return Error{ErrorCode::kUnsupported,
                 "the model has " + std::to_string(inputs.size()) + " inputs, expected one picture"};
  }
  PictureInput input;
  ASSAY_TRY(input.spec_, detect::default_input_spec(head, inputs[0].shape));
  if (card) {
    input.spec_.resize = card->resize;
    input.spec_.fit = padded ? FitKind::kStretch : card->fit;
    input.spec_.mean = card->mean;
    input.spec_.std = card->std;
  }
  if (padded) {
    input.padded_.emplace();
    input.padded_->shortest_edge = card->shortest_edge;
    input.padded_->longest_edge = card->longest_edge;
  }
  const auto dtype = dtype_of(inputs[0].type);
  if (!dtype) return unsupported_type(inputs[0]);
  input.type_.dtype = *dtype;
  if (inputs[0].quantization) {
    input.type_.scale = inputs[0].quantization->scale;
    input.type_.zero_point = static_cast<int>(inputs[0].quantization->zero_point);
  }
  return input;
}

Result<PreparedPicture> PictureInput::prepare(const Image& picture) const {
  if (padded_) return prepare_padded(picture);
  ASSAY_TRY(PreparedInput input, prepare_input(picture, spec_, type_));
  PreparedPicture prepared{{}, input.placement, spec_.width, spec_.height};
  prepared.inputs.push_back(std::move(input.bytes));
  return prepared;
}

// Zeros right of and below the normalized picture.
Result<PreparedPicture> PictureInput::prepare_padded(const Image& picture) const {
  detect::InputSize size{picture.height, picture.width};
  if (padded_->shortest_edge > 0) size = processed_size(*padded_, size);
  const double shrink = std::min(
      {1.0, static_cast<double>(spec_.height) / size.height, static_cast<double>(spec_.width) / size.width});
  InputSpec part = spec_;
  part.height = std::clamp(static_cast<int>(std::lround(size.height * shrink)), 1, spec_.height);
  part.width = std::clamp(static_cast<int>(std::lround(size.width * shrink)), 1, spec_.width);
  ASSAY_TRY(const PreparedInput input, prepare_input(picture, part, type_));
  const auto rows = static_cast<std::size_t>(part.height), columns = static_cast<std::size_t>(part.width);
  const auto all_rows = static_cast<std::size_t>(spec_.height),
             all_columns = static_cast<std::size_t>(spec_.width);
  PreparedPicture prepared{{}, input.placement, part.width, part.height};
  std::vector<std::byte> pixels(all_rows * all_columns * kPixelBytes);
  std::vector<float> mask(all_rows * all_columns);
  for (std::size_t y = 0; y < rows; ++y) {
    std::memcpy(pixels.data() + y * all_columns * kPixelBytes, input.bytes.data() + y * columns * kPixelBytes,
                columns * kPixelBytes);
    std::fill_n(mask.begin() + static_cast<std::ptrdiff_t>(y * all_columns), columns, 1.0f);
  }
  const auto mask_bytes = std::as_bytes(std::span(mask));
  prepared.inputs = {std::move(pixels), {mask_bytes.begin(), mask_bytes.end()}};
  return prepared;
}

Status set_inputs(litert::Runner& runner, const PreparedPicture& picture) {
  for (std::size_t i = 0; i < picture.inputs.size(); ++i)
    ASSAY_RETURN_IF_ERROR(runner.set_input(i, picture.inputs[i]));
  return {};
}

}  // namespace assay
