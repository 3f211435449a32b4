#include "quant/llm/grid.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/check.h"

namespace assay {
namespace {

// Independent sums, so that the compiler may vectorize while the order of additions stays fixed.
constexpr std::size_t kLanes = 16;
using Lanes = std::array<float, kLanes>;

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

// x = x^exponent for x >= 0 and exponent in (0, 16], within a relative 2^-15 where the result is at least 2^-126; below that,
// something at most that small. std::pow would take nine tenths of the search's time.
// log2(m 2^e) = e + 2/ln 2 atanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)), and Taylor's polynomial of 2^f, |f| <= 1/2.
void raise(Lanes& x, float exponent) {
  for (float& value : x) {
    const auto bits = std::bit_cast<std::int32_t>(value);
    const std::int32_t power = (bits - 0x3f3504f3) >> 23;
    const float mantissa = std::bit_cast<float>(bits - (power << 23));
    const float s = (mantissa - 1.0f) / (mantissa + 1.0f);
    const float s2 = s * s;
    const float atanh = s * (1.0f + s2 * (1.0f / 3 + s2 * (1.0f / 5 + s2 * (1.0f / 7 + s2 * (1.0f / 9)))));
    value = exponent * (static_cast<float>(power) + 2.88539008f * atanh);
  }
  // A loop of its own: inside of the next, g++ turns the comparisons into branches and vectorizes neither.
  for (float& value : x) {
    value = value > -126.0f ? value : -126.0f;
    value = value < 126.0f ? value : 126.0f;
  }
  for (float& value : x) {
    const float whole = round_to_integer(value);
    const float f = (value - whole) * 0.693147181f;
    const float fraction = 1.0f + f * (1.0f + f * (0.5f + f * (1.0f / 6 + f * (1.0f / 24 + f * (1.0f / 120 + f * (1.0f / 720))))));
    value = fraction * std::bit_cast<float>((static_cast<std::int32_t>(whole) + 127) << 23);
  }
}

// Zeros appended up to whole Lanes: they lie on every grid, so they add no error.
std::vector<float> padded(std::span<const float> values) {
  std::vector<float> result(values.begin(), values.end());
  result.resize((values.size() + kLanes - 1) / kLanes * kLanes);
  return result;
}

// Sums what `penalize(errors, i)` makes of w_i - q_i and its neighbours. REQUIRES: whole Lanes of values.
template <typename Penalize>
float grid_error(const std::vector<float>& values, QuantGrid grid, int bits, Penalize penalize) {
  const float scale = to_float(grid.scale);
  const float lowest = -static_cast<float>(grid.zero);
  const float highest = static_cast<float>((1 << bits) - 1) + lowest;
  Lanes sums{};
  for (std::size_t i = 0; i < values.size(); i += kLanes) {
    Lanes errors;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float value = values[i + lane];
      errors[lane] = value - nearest_step(value, scale, lowest, highest) * scale;
    }
    penalize(errors, i);
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += errors[lane];
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0f);
}

template <typename Penalize>
QuantGrid search_grid(std::span<const float> values, ValueRange range, const GridOptions& options, Penalize penalize) {
  const auto whole_lanes = padded(values);
  QuantGrid best = grid_of(range, options);
  float best_error = grid_error(whole_lanes, best, options.bits, penalize);
  for (int i = 1; i < options.max_shrink * options.grid_steps; ++i) {
    const float shrink = 1.0f - static_cast<float>(i) / static_cast<float>(options.grid_steps);
    const QuantGrid grid = grid_of({range.lo * shrink, range.hi * shrink}, options);
    const float error = grid_error(whole_lanes, grid, options.bits, penalize);
    if (error < best_error) {
      best_error = error;
      best = grid;
    }
  }
  return best;
}

QuantGrid search_mse(std::span<const float> values, ValueRange range, const GridOptions& options) {
  const auto norm = static_cast<float>(options.norm);
  return search_grid(values, range, options, [norm](Lanes& errors, std::size_t) {
    for (float& error : errors) error = std::fabs(error);
    raise(errors, norm);
  });
}

// Padded to whole Lanes; all 1 where all are 0.
std::vector<float> usable_weights(std::span<const float> weights, std::size_t num_values) {
  ASSAY_CHECK(weights.size() == num_values);
  auto weight = padded(weights);
  if (std::all_of(weight.begin(), weight.end(), [](float w) { return w == 0.0f; })) weight.assign(weight.size(), 1.0f);
  return weight;
}

QuantGrid search_weighted(std::span<const float> values, std::span<const float> weights, ValueRange range,
                          const GridOptions& options) {
  const auto weight = usable_weights(weights, values.size());
  return search_grid(values, range, options, [&weight](Lanes& errors, std::size_t i) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) errors[lane] *= errors[lane] * weight[i + lane];
  });
}

// The scale of least weighted error for the codes that `grid` gives; the same grid where no code is off zero.
QuantGrid fit_scale(const std::vector<float>& values, const std::vector<float>& weights, QuantGrid grid, int bits) {
  const float scale = to_float(grid.scale);
  const float lowest = -static_cast<float>(grid.zero);
  const float highest = static_cast<float>((1 << bits) - 1) + lowest;
  Lanes products{}, squares{};
  for (std::size_t i = 0; i < values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float step = nearest_step(values[i + lane], scale, lowest, highest);
      products[lane] += weights[i + lane] * step * values[i + lane];
      squares[lane] += weights[i + lane] * step * step;
    }
  }
  const float product = std::accumulate(products.begin(), products.end(), 0.0f);
  const float square = std::accumulate(squares.begin(), squares.end(), 0.0f);
  return product > 0.0f && square > 0.0f ? QuantGrid{storable_scale(product / square), grid.zero} : grid;
}

QuantGrid search_joint(std::span<const float> values, std::span<const float> weights, ValueRange range, const GridOptions& options) {
  constexpr int kScales = 24;
  constexpr float kWidest = 1.2f;
  constexpr float kNarrowest = 0.3f;
  constexpr int kZerosAside = 4;
  constexpr int kFits = 3;
  const auto weight = usable_weights(weights, values.size());
  const auto whole_lanes = padded(values);
  const auto penalize = [&weight](Lanes& errors, std::size_t i) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) errors[lane] *= errors[lane] * weight[i + lane];
  };
  QuantGrid best = grid_of(range, options);
  float best_error = grid_error(whole_lanes, best, options.bits, penalize);
  const auto consider = [&](QuantGrid grid) {
    const float error = grid_error(whole_lanes, grid, options.bits, penalize);
    if (!(error < best_error)) return false;
    best_error = error;
    best = grid;
    return true;
  };
  const QuantGrid whole = best;
  const int first = options.sym ? whole.zero : std::max(options.min_zero, whole.zero - kZerosAside);
  const int last = options.sym ? whole.zero : std::min((1 << options.bits) - 1, whole.zero + kZerosAside);
  for (int zero = first; zero <= last; ++zero) {
    for (int i = 0; i < kScales; ++i) {
      const float factor = kWidest + (kNarrowest - kWidest) * static_cast<float>(i) / (kScales - 1);
      consider({storable_scale(to_float(whole.scale) * factor), static_cast<std::uint8_t>(zero)});
    }
  }
  for (int i = 0; i < kFits && consider(fit_scale(whole_lanes, weight, best, options.bits)); ++i) {
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
    case ScaleSearch::kMse: return search_mse(values, range, options);
    case ScaleSearch::kWeighted: return search_weighted(values, weights, range, options);
    case ScaleSearch::kJoint: return search_joint(values, weights, range, options);
    case ScaleSearch::kMinMax: break;
  }
  return grid_of(range, options);
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
