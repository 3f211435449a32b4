#include "quant/tflite/histogram.h"

#include <algorithm>
#include <cmath>

namespace assay::tflite {
namespace {

constexpr double kSmallestWidth = 0x1.0p-40;
constexpr auto kHalf = static_cast<std::int64_t>(Histogram::kBins / 2);

}  // namespace

Histogram::Histogram() : bins_(kBins), width_(kSmallestWidth) {}

double Histogram::center(std::size_t bin) const {
  const double middle = (static_cast<double>(static_cast<std::int64_t>(bin) - kHalf) + 0.5) * width_;
  return std::clamp(middle, static_cast<double>(min_), static_cast<double>(max_));
}

float Histogram::rms() const {
  double sum = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    if (bins_[i] > 0) sum += static_cast<double>(bins_[i]) * center(i) * center(i);
  }
  return count_ == 0 ? 0 : static_cast<float>(std::sqrt(sum / static_cast<double>(count_)));
}

void Histogram::widen() {
  std::vector<std::uint64_t> wider(kBins);
  for (std::size_t i = 0; i < kBins; ++i) {
    // Bins 2k and 2k + 1, counted from zero, become bin k on either side of it.
    const std::int64_t from_zero = static_cast<std::int64_t>(i) - kHalf;
    wider[static_cast<std::size_t>((from_zero >> 1) + kHalf)] += bins_[i];
  }
  bins_ = std::move(wider);
  width_ *= 2;
}

void Histogram::add(std::span<const float> values) {
  for (const float value : values) {
    if (!std::isfinite(value)) {
      ++not_finite_;
      continue;
    }
    min_ = count_ == 0 ? value : std::min(min_, value);
    max_ = count_ == 0 ? value : std::max(max_, value);
    ++count_;
    while (value >= static_cast<double>(kHalf) * width_ || value < -static_cast<double>(kHalf) * width_)
      widen();
    ++bins_[static_cast<std::size_t>(static_cast<std::int64_t>(std::floor(value / width_)) + kHalf)];
  }
}

void Histogram::merge(const Histogram& other) {
  not_finite_ += other.not_finite_;
  if (other.count_ == 0) return;
  Histogram right = other;
  while (width_ < right.width_) widen();
  while (right.width_ < width_) right.widen();
  min_ = count_ == 0 ? right.min_ : std::min(min_, right.min_);
  max_ = count_ == 0 ? right.max_ : std::max(max_, right.max_);
  count_ += right.count_;
  for (std::size_t i = 0; i < kBins; ++i) bins_[i] += right.bins_[i];
}

}  // namespace assay::tflite
