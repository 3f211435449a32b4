#include "quant/llm/allocate_bits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

namespace assay {
namespace {

constexpr std::uint64_t kMaxUnits = std::uint64_t{1} << 18;
constexpr std::uint64_t kScaleBits = 16;

bool is_smaller(const BitChoice& a, const BitChoice& b) { return a.storage_bits < b.storage_bits; }

std::vector<std::size_t> smallest_choices(std::span<const std::vector<BitChoice>> layers) {
  std::vector<std::size_t> result;
  for (const auto& choices : layers)
    result.push_back(static_cast<std::size_t>(std::min_element(choices.begin(), choices.end(), is_smaller) -
                                              choices.begin()));
  return result;
}

Status check(std::span<const std::vector<BitChoice>> layers, std::uint64_t budget_bits) {
  std::uint64_t smallest_total = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].empty() || layers[i].size() > 255) {
      return Error{ErrorCode::kInvalidArgument, "layer " + std::to_string(i) + " has " +
                                                    std::to_string(layers[i].size()) +
                                                    " choices, expected 1 to 255"};
    }
    for (const auto& choice : layers[i]) {
      if (!(choice.cost >= 0) || !std::isfinite(choice.cost)) {
        return Error{ErrorCode::kInvalidArgument, "layer " + std::to_string(i) + " has a choice of cost " +
                                                      std::to_string(choice.cost) +
                                                      ", expected a number of at least 0"};
      }
    }
    smallest_total += std::min_element(layers[i].begin(), layers[i].end(), is_smaller)->storage_bits;
  }
  if (smallest_total > budget_bits) {
    return Error{ErrorCode::kInvalidArgument, "a budget of " + std::to_string(budget_bits) +
                                                  " bits is below the " + std::to_string(smallest_total) +
                                                  " that the smallest choices take"};
  }
  return {};
}

// Bits per unit of storage.
std::uint64_t unit_of(std::span<const std::vector<BitChoice>> layers, std::uint64_t budget_bits) {
  std::uint64_t divisor = 0;
  for (const auto& choices : layers) {
    for (const auto& choice : choices) divisor = std::gcd(divisor, choice.storage_bits);
  }
  return std::max<std::uint64_t>({divisor, (budget_bits + kMaxUnits - 1) / kMaxUnits, 1});
}

}  // namespace

std::uint64_t gptq_storage_bits(std::int64_t rows, std::int64_t cols, int bits, std::int64_t group_size) {
  const std::int64_t groups = group_size == -1 ? 1 : (cols + group_size - 1) / group_size;
  const auto bits_each = static_cast<std::uint64_t>(bits);
  return static_cast<std::uint64_t>(rows) * (static_cast<std::uint64_t>(cols) * bits_each +
                                             static_cast<std::uint64_t>(groups) * (kScaleBits + bits_each));
}

Result<std::vector<std::size_t>> allocate_bits(std::span<const std::vector<BitChoice>> layers,
                                               std::uint64_t budget_bits) {
  ASSAY_RETURN_IF_ERROR(check(layers, budget_bits));
  const std::uint64_t unit = unit_of(layers, budget_bits);
  const auto units_of = [&](const BitChoice& choice) {
    return static_cast<std::size_t>((choice.storage_bits + unit - 1) / unit);
  };
  const auto capacity = static_cast<std::size_t>(budget_bits / unit);
  constexpr double kImpossible = std::numeric_limits<double>::infinity();
  // least[u]: the least cost of the layers so far that take exactly u units.
  std::vector<double> least(capacity + 1, kImpossible);
  least[0] = 0;
  std::vector<std::vector<std::uint8_t>> chosen;
  for (const auto& choices : layers) {
    std::vector<double> next(capacity + 1, kImpossible);
    auto& choice_at = chosen.emplace_back(capacity + 1, std::uint8_t{0});
    for (std::size_t c = 0; c < choices.size(); ++c) {
      const std::size_t size = units_of(choices[c]);
      for (std::size_t u = size; u <= capacity; ++u) {
        const double cost = least[u - size] + choices[c].cost;
        if (cost < next[u]) {
          next[u] = cost;
          choice_at[u] = static_cast<std::uint8_t>(c);
        }
      }
    }
    least = std::move(next);
  }
  const auto best = std::min_element(least.begin(), least.end());
  // Rounded up, sizes may exceed a budget that the exact ones just meet.
  if (*best == kImpossible) return smallest_choices(layers);
  auto place = static_cast<std::size_t>(best - least.begin());
  std::vector<std::size_t> result(layers.size());
  for (std::size_t i = layers.size(); i-- > 0;) {
    result[i] = chosen[i][place];
    place -= units_of(layers[i][result[i]]);
  }
  return result;
}

}  // namespace assay
