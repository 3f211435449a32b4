#include "image/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "image/warp.h"

namespace assay {
namespace {

struct Fit {
  int width, height;  // of the resized picture
  int left, top;      // where it lies
};

Fit fit_into(int image_width, int image_height, const InputSpec& spec) {
  if (spec.fit == FitKind::kStretch || spec.fit == FitKind::kWarpCentered) {
    return {spec.width, spec.height, 0, 0};  // the warp makes its own borders
  }
  const double ratio = std::min(static_cast<double>(spec.height) / image_height,
                                static_cast<double>(spec.width) / image_width);
  const double exact_width = image_width * ratio;
  const double exact_height = image_height * ratio;
  // A picture of 20,000 x 1 would otherwise vanish.
  if (spec.fit == FitKind::kLetterboxTopLeft) {
    return {std::clamp(static_cast<int>(exact_width), 1, spec.width),
            std::clamp(static_cast<int>(exact_height), 1, spec.height), 0, 0};
  }
  // nearbyint rounds ties to even, as Python's round does.
  const int width = std::clamp(static_cast<int>(std::nearbyint(exact_width)), 1, spec.width);
  const int height = std::clamp(static_cast<int>(std::nearbyint(exact_height)), 1, spec.height);
  return {width, height, static_cast<int>(std::nearbyint((spec.width - width) / 2.0 - 0.1)),
          static_cast<int>(std::nearbyint((spec.height - height) / 2.0 - 0.1))};
}

Status check(const Image& image, const InputSpec& spec, const InputType& type) {
  const auto invalid = [](const std::string& message) { return Error{ErrorCode::kInvalidArgument, message}; };
  if (image.width < 1 || image.height < 1) return invalid("image: empty, expected at least 1x1");
  constexpr int kMaxSide = 16384;
  if (spec.width < 1 || spec.height < 1 || spec.width > kMaxSide || spec.height > kMaxSide) {
    return invalid("input size: " + std::to_string(spec.width) + "x" + std::to_string(spec.height) +
                   ", expected 1 to " + std::to_string(kMaxSide) + " a side");
  }
  if (spec.pad_value < 0 || spec.pad_value > 255) {
    return invalid("pad value: " + std::to_string(spec.pad_value) + ", expected 0 to 255");
  }
  for (std::size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(spec.mean[c])) return invalid("mean: expected finite numbers");
    if (!std::isfinite(spec.std[c]) || spec.std[c] == 0.0f)
      return invalid("std: expected finite numbers, not 0");
  }
  if (type.dtype == DType::kF32) return {};
  if (type.dtype != DType::kU8 && type.dtype != DType::kI8) {
    return invalid("input type: " + std::string(info(type.dtype).name) + ", expected F32, U8 or I8");
  }
  const bool raw = type.dtype == DType::kU8 && spec.raw_uint8;
  if (!raw && !(std::isfinite(type.scale) && type.scale > 0.0f)) {
    return invalid("input scale: " + std::to_string(type.scale) + ", expected a positive number");
  }
  return {};
}

// What each of the 256 pixel values becomes in one channel.
template <typename T>
std::array<T, 256> value_table(const InputSpec& spec, const InputType& type, std::size_t channel) {
  std::array<T, 256> table;
  for (int pixel = 0; pixel < 256; ++pixel) {
    const float value = (static_cast<float>(pixel) - spec.mean[channel]) / spec.std[channel];
    T& entry = table[static_cast<std::size_t>(pixel)];
    if constexpr (std::is_same_v<T, float>) {
      entry = value;
    } else if (std::is_same_v<T, std::uint8_t> && spec.raw_uint8) {
      entry = static_cast<T>(pixel);
    } else {
      const double stored = std::round(static_cast<double>(value) / type.scale) + type.zero_point;
      entry = static_cast<T>(
          std::clamp<double>(stored, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    }
  }
  return table;
}

// Writes the whole tensor: the picture at its place, padding elsewhere.
template <typename T>
void fill(const Image& resized, const Fit& fit, const InputSpec& spec, const InputType& type,
          std::byte* bytes) {
  const std::size_t plane = static_cast<std::size_t>(spec.width) * static_cast<std::size_t>(spec.height);
  const bool planar = spec.layout == TensorLayout::kNchw;
  const std::size_t pixel_step = planar ? 1 : 3;
  for (std::size_t c = 0; c < 3; ++c) {
    const std::array<T, 256> table = value_table<T>(spec, type, c);
    T* out = reinterpret_cast<T*>(bytes) + (planar ? c * plane : c);
    const T pad = table[static_cast<std::size_t>(spec.pad_value)];
    const std::size_t from_channel = spec.order == ChannelOrder::kRgb ? c : 2 - c;
    for (int y = 0; y < spec.height; ++y) {
      const bool inside = y >= fit.top && y < fit.top + fit.height;
      const std::uint8_t* in = inside ? resized.row(y - fit.top) + from_channel : nullptr;
      for (int x = 0; x < spec.width; ++x, out += pixel_step) {
        const bool covered = inside && x >= fit.left && x < fit.left + fit.width;
        *out = covered ? table[in[static_cast<std::size_t>(x - fit.left) * 3]] : pad;
      }
    }
  }
}

}  // namespace

Placement place(int image_width, int image_height, const InputSpec& spec) {
  const Fit fit = fit_into(image_width, image_height, spec);
  Placement placement{.image_width = image_width, .image_height = image_height};
  if (spec.fit == FitKind::kStretch) {
    placement.scale_x = static_cast<double>(spec.width) / image_width;
    placement.scale_y = static_cast<double>(spec.height) / image_height;
    return placement;
  }
  // The ratio before the sides were rounded, as the references map their boxes back.
  placement.scale_x = placement.scale_y = std::min(static_cast<double>(spec.height) / image_height,
                                                   static_cast<double>(spec.width) / image_width);
  if (spec.fit == FitKind::kWarpCentered) {
    placement.offset_x = (spec.width - image_width * placement.scale_x) / 2;
    placement.offset_y = (spec.height - image_height * placement.scale_y) / 2;
    return placement;
  }
  // Where the picture really lies; ultralytics' scale_boxes computes it from unrounded sides, a pixel off at
  // times.
  placement.offset_x = fit.left;
  placement.offset_y = fit.top;
  return placement;
}

Result<PreparedInput> prepare_input(const Image& image, const InputSpec& spec, const InputType& type) {
  ASSAY_RETURN_IF_ERROR(check(image, spec, type));
  const Fit fit = fit_into(image.width, image.height, spec);
  PreparedInput prepared;
  prepared.placement = place(image.width, image.height, spec);
  const Placement& at = prepared.placement;
  const Image resized = spec.fit == FitKind::kWarpCentered
                            ? warp(image, spec.width, spec.height, at.scale_x, {at.offset_x, at.offset_y},
                                   static_cast<std::uint8_t>(spec.pad_value))
                            : resize(image, fit.width, fit.height, spec.resize);
  const auto elements = static_cast<std::uint64_t>(spec.width) * static_cast<std::uint64_t>(spec.height) * 3;
  prepared.bytes.resize(num_bytes(type.dtype, elements));
  if (type.dtype == DType::kF32) fill<float>(resized, fit, spec, type, prepared.bytes.data());
  if (type.dtype == DType::kU8) fill<std::uint8_t>(resized, fit, spec, type, prepared.bytes.data());
  if (type.dtype == DType::kI8) fill<std::int8_t>(resized, fit, spec, type, prepared.bytes.data());
  return prepared;
}

}  // namespace assay
