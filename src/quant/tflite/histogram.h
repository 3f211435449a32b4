// How often which values occurred, in bounded memory, for values that are not known beforehand.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "quant/tflite/activation_ranges.h"

namespace assay::tflite {

// Bins of equal width around zero. The width is a power of two and doubles whenever a value lies outside, so
// the result does not depend on the order of the values. Not thread safe.
class Histogram {
 public:
  static constexpr std::size_t kBins = 4096;

  Histogram();

  // NaN and infinities are counted apart.
  void add(std::span<const float> values);
  // As if the other's values had been added here.
  void merge(const Histogram& other);

  std::uint64_t count() const { return count_; }  // finite values
  std::uint64_t not_finite() const { return not_finite_; }
  Range min_max() const { return {min_, max_, rms()}; }  // REQUIRES: count() > 0

  // Root of the mean square, values taken as their bins' centers.
  float rms() const;

  const std::vector<std::uint64_t>& bins() const { return bins_; }
  double width() const { return width_; }
  // The middle of a bin, but no further out than the smallest and largest value.
  double center(std::size_t bin) const;

 private:
  void count_bins(std::span<const float> values);
  void widen();

  std::vector<std::uint64_t> bins_;
  double width_;
  std::uint64_t count_ = 0;
  std::uint64_t not_finite_ = 0;
  float min_ = 0;
  float max_ = 0;
};

}  // namespace assay::tflite
