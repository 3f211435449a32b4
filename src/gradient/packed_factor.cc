#include "gradient/packed_factor.h"

#include <algorithm>
#include <bit>

#include "gradient/turns.h"
#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr std::int64_t kPanel = kBrainPanel, kStep = kBrainStep, kBlock = kBrainBlock;
constexpr std::int64_t kStepValues = kPanel * kStep;
constexpr std::int64_t kPairs = kStep / 2;
static_assert(kPairs == kPanel, "a step's pairs are a square, which transposes either way");
constexpr std::int64_t kPanelsPerTurn = 2;

// to_bfloat16() as the upper half of a float, without its care for NaN, which would take more than twice as
// long.
std::uint32_t upper_half(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
}

}  // namespace

PackedFactor::PackedFactor(const Product::Factor& factor, bool left, bool two)
    : factor_(factor),
      left_(left),
      lines_(along_rows() ? factor.values.rows : factor.values.cols),
      depth_(along_rows() ? factor.values.cols : factor.values.rows),
      num_steps_(pieces(depth_, kStep)),
      num_panels_(pieces(lines_, kBlock) * (kBlock / kPanel)),
      values_((two ? 2 : 1) * num_panels_ * num_steps_ * kStepValues),
      rest_(two ? values_.get() + offset(num_panels_) : nullptr) {}

bool PackedFactor::packs(const Product::Factor& factor, bool left) const {
  return left_ == left && factor_.values.data == factor.values.data &&
         factor_.transposed == factor.transposed && factor_.values.rows == factor.values.rows &&
         factor_.values.cols == factor.values.cols;
}

std::int64_t PackedFactor::offset(std::int64_t p) const { return p * num_steps_ * kStepValues; }

// A step of a panel, rounded, and unless null what rounding took; pairs of k in the order of the factor's
// memory: [line][k / 2] along rows, else [k / 2][line].
void PackedFactor::round(std::int64_t p, std::int64_t step, float* rounded, float* left_over) const {
  const bool along = along_rows();
  const std::int64_t line = p * kPanel, k = step * kStep;
  const std::int64_t lines = std::clamp<std::int64_t>(lines_ - line, 0, kPanel),
                     depth = std::min(depth_ - k, kStep);
  const float* from = nullptr;
  std::int64_t stride = factor_.values.stride;
  float padded[kStepValues];
  if (lines == kPanel && depth == kStep) {
    from = along ? factor_.values.row(line) + k : factor_.values.row(k) + line;
  } else {
    std::fill_n(padded, kStepValues, 0.0f);
    stride = along ? kStep : kPanel;
    for (std::int64_t r = 0; r < (along ? lines : depth); ++r) {
      const float* row = along ? factor_.values.row(line + r) + k : factor_.values.row(k + r) + line;
      if (lines > 0) std::copy_n(row, along ? depth : lines, padded + r * stride);
    }
    from = padded;
  }
  const auto add = [&](float a, float b, std::int64_t at) {
    const std::uint32_t upper_a = upper_half(a), upper_b = upper_half(b);
    rounded[at] = std::bit_cast<float>((upper_a >> 16) | upper_b);
    if (left_over == nullptr) return;
    left_over[at] = std::bit_cast<float>((upper_half(a - std::bit_cast<float>(upper_a)) >> 16) |
                                         upper_half(b - std::bit_cast<float>(upper_b)));
  };
  if (along) {
    for (std::int64_t l = 0; l < kPanel; ++l) {
      for (std::int64_t i = 0; i < kPairs; ++i)
        add(from[l * stride + 2 * i], from[l * stride + 2 * i + 1], l * kPairs + i);
    }
  } else {
    for (std::int64_t i = 0; i < kPairs; ++i) {
      const float *even = from + 2 * i * stride, *odd = even + stride;
      for (std::int64_t l = 0; l < kPanel; ++l) add(even[l], odd[l], i * kPanel + l);
    }
  }
}

void PackedFactor::pack(const KernelTable& table, std::int64_t p) {
  alignas(64) float rounded[kStepValues / 2], left_over[kStepValues / 2];
  // Left factors are read in lines, right ones in pairs of k.
  const auto write = [&](const float* pairs, std::uint16_t* out) {
    auto* values = reinterpret_cast<float*>(out);
    if (left_ == along_rows()) {
      std::copy_n(pairs, kStepValues / 2, values);
    } else {
      table.transpose(pairs, kPairs, kPanel, kPairs, values, kPanel);
    }
  };
  for (std::int64_t step = 0; step < num_steps_; ++step) {
    round(p, step, rounded, rest_ != nullptr ? left_over : nullptr);
    const std::int64_t at = offset(p) + step * kStepValues;
    write(rounded, values_.get() + at);
    if (rest_ != nullptr) write(left_over, rest_ + at);
  }
}

void pack_factors(std::span<PackedFactor* const> factors, const KernelTable& table, ThreadPool& pool) {
  Turns turns;
  for (const PackedFactor* factor : factors) turns.add_job(pieces(factor->num_panels(), kPanelsPerTurn));
  pool.take_turns(turns.count(), [&](std::int64_t turn, int) {
    const auto [job, own] = turns.find(turn);
    const std::int64_t first = own * kPanelsPerTurn,
                       end = std::min(first + kPanelsPerTurn, factors[job]->num_panels());
    for (std::int64_t p = first; p < end; ++p) factors[job]->pack(table, p);
  });
}

}  // namespace assay
