#include "quant/llm/grid.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace assay {
namespace {

constexpr std::size_t kLanes = 16;       // independent sums, so that the compiler may vectorize in a fixed order

struct ValueRange {
  float lo, hi;  // lo <= 0 <= hi
};

Float16 storable_scale(float scale) {
  constexpr Float16 kLargest{0x7bff};
  constexpr Float16 kSmallest{0x0001};
  if (!(scale < 65504.0f)) return kLargest;
  const Float16 rounded = to_float16(scale);
  return rounded.bits == 0 ? kSmallest : rounded;
}

ValueRange range_of(std::span<const float> values, bool sym) {
  ValueRange range{0.0f, 0.0f};
  for (const float value : values) {
    range.lo = value < range.lo ? value : range.lo;
    range.hi = value > range.hi ? value : range.hi;
  }
  if (sym) {
    range.hi = std::max(range.hi, -range.lo);
    range.lo = -range.hi;
  }
  return range;
}

QuantGrid grid_of(ValueRange range, const GridOptions& options) {
  const int max_code = (1 << options.bits) - 1;
  const auto steps = static_cast<float>(max_code);
  if (options.sym) {
    return {storable_scale(2.0f * (range.hi / steps)), static_cast<std::uint8_t>(1 << (options.bits - 1))};
  }
  // In double, because the difference of two large floats may overflow.
  const Float16 scale = storable_scale(static_cast<float>((static_cast<double>(range.hi) - range.lo) / steps));
  const float zero = nearest_step(-range.lo, to_float(scale), 0.0f, steps);
  const auto min_zero = static_cast<float>(options.min_zero);
  if (zero >= min_zero) return {scale, static_cast<std::uint8_t>(zero)};
  return {storable_scale(std::max(to_float(scale), range.hi / (steps - min_zero))), static_cast<std::uint8_t>(options.min_zero)};
}

float sum_lanes(const std::array<float, kLanes>& lanes) {
  float sum = 0.0f;
  for (const float lane : lanes) sum += lane;
  return sum;
}

// sum_i term(i, w_i - q_i), in the fixed order of kLanes interleaved sums.
template <typename Term>
float grid_error(std::span<const float> values, QuantGrid grid, int bits, Term term) {
  const float scale = to_float(grid.scale);
  const float lowest = -static_cast<float>(grid.zero);
  const float highest = static_cast<float>((1 << bits) - 1) + lowest;
  std::array<float, kLanes> lanes{};
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float value = values[i + lane];
      lanes[lane] += term(i + lane, value - nearest_step(value, scale, lowest, highest) * scale);
    }
  }
  for (; i < values.size(); ++i) {
    lanes[i % kLanes] += term(i, values[i] - nearest_step(values[i], scale, lowest, highest) * scale);
  }
  return sum_lanes(lanes);
}

template <typename Term>
QuantGrid search_grid(std::span<const float> values, ValueRange range, const GridOptions& options, Term term) {
  QuantGrid best = grid_of(range, options);
  float best_error = grid_error(values, best, options.bits, term);
  for (int i = 1; i < options.max_shrink * options.grid_steps; ++i) {
    const float shrink = 1.0f - static_cast<float>(i) / static_cast<float>(options.grid_steps);
    const QuantGrid grid = grid_of({range.lo * shrink, range.hi * shrink}, options);
    const float error = grid_error(values, grid, options.bits, term);
    if (error < best_error) {
      best_error = error;
      best = grid;
    }
  }
  return best;
}

}  // namespace

QuantGrid find_grid(std::span<const float> values, std::span<const float> weights, const GridOptions& options) {
  const ValueRange range = range_of(values, options.sym);
  if (range.lo == 0.0f && range.hi == 0.0f) {
    const int zero = options.sym ? 1 << (options.bits - 1) : options.min_zero;
    return {Float16{0x3c00}, static_cast<std::uint8_t>(zero)};
  }
  switch (options.search) {
    case ScaleSearch::kMinMax: return grid_of(range, options);
    case ScaleSearch::kMse: {
      const auto norm = static_cast<float>(options.norm);
      return search_grid(values, range, options, [norm](std::size_t, float error) { return std::pow(std::fabs(error), norm); });
    }
    case ScaleSearch::kWeighted: break;
  }
  ASSAY_CHECK(weights.size() == values.size());
  const auto squared = [](std::size_t, float error) { return error * error; };
  if (std::all_of(weights.begin(), weights.end(), [](float weight) { return weight == 0.0f; })) {
    return search_grid(values, range, options, squared);
  }
  const float* weight = weights.data();
  return search_grid(values, range, options, [weight](std::size_t i, float error) { return weight[i] * (error * error); });
}

void quantize_values(std::span<const float> values, QuantGrid grid, int bits, std::span<std::uint8_t> codes) {
  ASSAY_CHECK(values.size() == codes.size());
  const float scale = to_float(grid.scale);
  const auto zero = static_cast<float>(grid.zero);
  const float highest = static_cast<float>((1 << bits) - 1) - zero;
  for (std::size_t i = 0; i < values.size(); ++i) {
    codes[i] = static_cast<std::uint8_t>(static_cast<int>(nearest_step(values[i], scale, -zero, highest) + zero));
  }
}

}  // namespace assay
