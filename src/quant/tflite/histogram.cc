#include "quant/tflite/histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>

namespace assay::tflite {
namespace {

constexpr double kSmallestWidth = 0x1.0p-40;
constexpr auto kHalf = static_cast<std::int64_t>(Histogram::kBins / 2);

constexpr std::size_t kBlock = 1024;

struct Extremes {
  float min = 0, max = 0;
  std::uint64_t not_finite = 0;
};

// As integers, floats are in the order of their values once the bits of negative ones are turned round. Of
// integers the loop below can be vectorized; of floats it cannot, for one might be NaN.
std::int32_t ordered(std::int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

Extremes extremes(std::span<const float> values) {
  constexpr std::int32_t kExponent = 0x7f800000;
  std::int32_t low = std::numeric_limits<std::int32_t>::max();
  std::int32_t high = std::numeric_limits<std::int32_t>::min();
  std::uint32_t not_finite = 0;
  for (const float value : values) {
    const auto bits = std::bit_cast<std::int32_t>(value);
    low = std::min(low, ordered(bits));
    high = std::max(high, ordered(bits));
    not_finite += (bits & kExponent) == kExponent ? 1 : 0;
  }
  return {std::bit_cast<float>(ordered(low)), std::bit_cast<float>(ordered(high)), not_finite};
}

// floor(value / width) + kHalf; `width` is a power of two, so that nothing here is rounded.
void find_bins(std::span<const float> values, float width, std::span<std::uint32_t> bins) {
  const float inverse = 1 / width;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto towards_zero = static_cast<std::int32_t>(values[i] * inverse);
    const std::int32_t above = values[i] < static_cast<float>(towards_zero) * width ? 1 : 0;
    bins[i] = static_cast<std::uint32_t>(towards_zero - above + static_cast<std::int32_t>(kHalf));
  }
}

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
  width_ *= 2;
  if (count_ == 0) return;
  std::vector<std::uint64_t> wider(kBins);
  for (std::size_t i = 0; i < kBins; ++i) {
    // Bins 2k and 2k + 1, counted from zero, become bin k on either side of it.
    const std::int64_t from_zero = static_cast<std::int64_t>(i) - kHalf;
    wider[static_cast<std::size_t>((from_zero >> 1) + kHalf)] += bins_[i];
  }
  bins_ = std::move(wider);
}

void Histogram::add(std::span<const float> values) {
  const Extremes found = extremes(values);
  if (found.not_finite > 0) {
    std::vector<float> finite;
    std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
                 [](float value) { return std::isfinite(value); });
    not_finite_ += found.not_finite;
    return add(finite);
  }
  if (values.empty()) return;
  const double outermost = static_cast<double>(kHalf);
  while (found.max >= outermost * width_ || found.min < -outermost * width_) widen();
  min_ = count_ == 0 ? found.min : std::min(min_, found.min);
  max_ = count_ == 0 ? found.max : std::max(max_, found.max);
  count_ += values.size();
  count_bins(values);
}

// Neighbours are often in the same bin, and adding to a number that was stored just before has to wait for
// it: so each of them in turn goes into a table of its own.
void Histogram::count_bins(std::span<const float> values) {
  constexpr std::size_t kTables = 4;
  std::vector<std::uint32_t> tables(kTables * kBins);
  std::array<std::uint32_t, kBlock> bin;
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock) {
    const auto block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    find_bins(block, static_cast<float>(width_), bin);
    std::size_t i = 0;
    for (; i + kTables <= block.size(); i += kTables) {
      for (std::size_t table = 0; table < kTables; ++table) ++tables[table * kBins + bin[i + table]];
    }
    for (; i < block.size(); ++i) ++tables[bin[i]];
  }
  for (std::size_t i = 0; i < tables.size(); ++i) bins_[i % kBins] += tables[i];
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
