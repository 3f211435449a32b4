#include "gradient/fake_quant.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "tensor/float16.h"

namespace assay {
namespace {

// A scale must stay invertible; below this float16 has too few bits left to train one.
constexpr float kLeastScale = 0x1.0p-20f;
// How far inside of its code's cell a latent weight starts, so that rounding errors of weight / s do not flip
// it.
constexpr float kMargin = 1e-3f;
// From zero, in steps: within what round_nearest takes.
constexpr float kFarthest = 0x1p16f;

// To nearest, ties to even, for |x| < 2^22; vectorizes where std::nearbyint does not.
template <typename Float>
Float round_nearest(Float x) {
  constexpr float kShift = 0x1.8p23f;
  return (x + kShift) - kShift;
}

// Values side by side: a register of every processor.
constexpr std::int64_t kLanes = 4;
using Lanes [[gnu::vector_size(kLanes * sizeof(float))]] = float;
Lanes load(const float* values) {
  Lanes lanes;
  std::memcpy(&lanes, values, sizeof lanes);
  return lanes;
}
float sum(const Lanes& lanes) { return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]); }

}  // namespace

FakeQuant::FakeQuant(const GroupQuantMatrix& start, std::vector<std::int32_t> order)
    : bits_(start.bits()),
      group_size_(start.group_size()),
      order_(std::move(order)),
      start_scales_(start.rows(), start.num_groups()) {
  for (std::int64_t r = 0; r < start.rows(); ++r) {
    for (std::int64_t g = 0; g < start.num_groups(); ++g)
      start_scales_.at(r, g) = std::max(to_float(start.scale(r, g)), kLeastScale);
  }
}

FakeQuant FakeQuant::create(const GroupQuantMatrix& start, std::vector<std::int32_t> order,
                            MatrixView<const float> weight, LatentStart latent_start,
                            QuantParameters& parameters) {
  ASSAY_CHECK(weight.rows == start.rows() && weight.cols == start.cols());
  FakeQuant quant(start, std::move(order));
  const auto largest = static_cast<float>((1 << start.bits()) - 1);
  parameters = {Matrix<float>(start.rows(), start.cols()), Matrix<float>(start.rows(), start.num_groups()),
                Matrix<float>(start.rows(), start.num_groups())};
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(start.cols()));
  for (std::int64_t r = 0; r < start.rows(); ++r) {
    start.get_row(r, codes);
    for (std::int64_t c = 0; c < start.cols(); ++c) {
      const std::int64_t g = c / start.group_size();
      const auto code = static_cast<float>(codes[static_cast<std::size_t>(c)]);
      const auto zero = static_cast<float>(start.zero(r, g));
      if (latent_start == LatentStart::kCodes) {
        parameters.latent.at(r, c) = code - zero;
        continue;
      }
      const float w = weight.at(r, quant.source(c)) / quant.start_scales_.at(r, g) + zero;
      // The outermost codes also stand for everything beyond them.
      const float low = code == 0 ? -kFarthest : code - 0.5f + kMargin;
      const float high = code == largest ? kFarthest : code + 0.5f - kMargin;
      parameters.latent.at(r, c) = std::clamp(w, low, high) - zero;
    }
    for (std::int64_t g = 0; g < start.num_groups(); ++g) {
      parameters.scales.at(r, g) = 1.0f;
      parameters.zeros.at(r, g) = static_cast<float>(start.zero(r, g));
    }
  }
  return quant;
}

FakeQuant::Group FakeQuant::group_of(const QuantParameters& parameters, std::int64_t r,
                                     std::int64_t g) const {
  const float start = start_scales_.at(r, g);
  const float scale = to_float(to_float16(std::max(start * parameters.scales.at(r, g), kLeastScale)));
  const auto largest = static_cast<float>((1 << bits_) - 1);
  return {scale, start, std::clamp(round_nearest(parameters.zeros.at(r, g)), 0.0f, largest)};
}

void FakeQuant::simulate(const QuantParameters& parameters, std::int64_t r, std::span<float> weights) const {
  const std::int64_t cols = parameters.latent.cols();
  ASSAY_CHECK(static_cast<std::int64_t>(weights.size()) == cols);
  const auto largest = static_cast<float>((1 << bits_) - 1);
  std::vector<float> ordered(order_.size());
  const float* latent = parameters.latent.row(r);
  float* out = order_.empty() ? weights.data() : ordered.data();
  for (std::int64_t begin = 0, g = 0; begin < cols; begin += group_size_, ++g) {
    const Group group = group_of(parameters, r, g);
    const std::int64_t end = std::min(begin + group_size_, cols);
    for (std::int64_t c = begin; c < end; ++c) {
      const float code = round_nearest(latent[c]) + group.zero;
      out[c] = group.scale * (std::min(std::max(code, 0.0f), largest) - group.zero);
    }
  }
  for (std::size_t c = 0; c < order_.size(); ++c) weights[static_cast<std::size_t>(order_[c])] = out[c];
}

void FakeQuant::gradient(const QuantParameters& parameters, std::int64_t r, std::span<const float> dweights,
                         QuantRowGradient& gradient) const {
  const std::int64_t cols = parameters.latent.cols();
  ASSAY_CHECK(static_cast<std::int64_t>(dweights.size()) == cols);
  const auto largest = static_cast<float>((1 << bits_) - 1);
  gradient.latent.resize(dweights.size());
  gradient.scales.resize(static_cast<std::size_t>(parameters.scales.cols()));
  gradient.zeros.resize(gradient.scales.size());
  // First what comes in, in the quantized matrix' order, then what it becomes.
  float* dlatent = gradient.latent.data();
  for (std::int64_t c = 0; c < cols; ++c) dlatent[c] = dweights[static_cast<std::size_t>(source(c))];
  const float* latent = parameters.latent.row(r);
  for (std::int64_t begin = 0, g = 0; begin < cols; begin += group_size_, ++g) {
    const Group group = group_of(parameters, r, g);
    const std::int64_t end = std::min(begin + group_size_, cols);
    Lanes dscale{}, dzero{};
    const auto add = [&](const float* x, float* dx) {
      const Lanes code = round_nearest(load(x)) + group.zero, d = load(dx);
      const Lanes raised = code < 0.0f ? Lanes{} : code;
      const Lanes kept = raised > largest ? Lanes{} + largest : raised;
      dscale += d * (kept - group.zero);
      dzero -= kept == code ? Lanes{} : d;
      const Lanes out = kept == code ? d * group.scale : Lanes{};
      std::memcpy(dx, &out, sizeof out);
    };
    std::int64_t c = begin;
    for (; c + kLanes <= end; c += kLanes) add(latent + c, dlatent + c);
    if (c < end) {
      float x[kLanes] = {}, dx[kLanes] = {};
      std::copy(latent + c, latent + end, x);
      std::copy(dlatent + c, dlatent + end, dx);
      add(x, dx);
      std::copy_n(dx, end - c, dlatent + c);
    }
    gradient.scales[static_cast<std::size_t>(g)] = sum(dscale) * group.start_scale;
    gradient.zeros[static_cast<std::size_t>(g)] = sum(dzero) * group.scale;
  }
}

GroupQuantMatrix FakeQuant::export_matrix(const QuantParameters& parameters) const {
  const std::int64_t rows = parameters.latent.rows(), cols = parameters.latent.cols();
  const auto largest = static_cast<float>((1 << bits_) - 1);
  GroupQuantMatrix out(bits_, rows, cols, group_size_);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(cols));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t g = 0; g < out.num_groups(); ++g) {
      const Group group = group_of(parameters, r, g);
      out.scale(r, g) = to_float16(group.scale);
      out.zero(r, g) = static_cast<std::uint8_t>(group.zero);
      for (std::int64_t c = g * group_size_; c < std::min((g + 1) * group_size_, cols); ++c) {
        const float code = round_nearest(parameters.latent.at(r, c)) + group.zero;
        codes[static_cast<std::size_t>(c)] = static_cast<std::uint8_t>(std::clamp(code, 0.0f, largest));
      }
    }
    out.set_row(r, codes);
  }
  return out;
}

}  // namespace assay
