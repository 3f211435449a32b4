#include "gradient/packed_factor.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>
#include <vector>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr std::int64_t kPanel = kBrainPanel, kStep = kBrainStep, kBlock = kBrainBlock;
constexpr std::int64_t kStepValues = kPanel * kStep;
constexpr std::int64_t kPanelsPerTurn = 2;
constexpr std::align_val_t kAlignment{64};

std::int64_t parts(std::int64_t size, std::int64_t length) { return (size + length - 1) / length; }

// The nearest bfloat16, ties to even, as the upper half of a float; not for NaN.
std::uint32_t upper_half(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
}

std::uint16_t* allocate(std::int64_t count) {
  return static_cast<std::uint16_t*>(
      ::operator new(static_cast<std::size_t>(count) * sizeof(std::uint16_t), kAlignment));
}

}  // namespace

void PackedFactor::Free::operator()(std::uint16_t* values) const { ::operator delete(values, kAlignment); }

PackedFactor::PackedFactor(const Product::Factor& factor, bool left, bool two)
    : factor_(factor),
      left_(left),
      lines_(along_rows() ? factor.values.rows : factor.values.cols),
      depth_(along_rows() ? factor.values.cols : factor.values.rows),
      num_steps_(parts(depth_, kStep)),
      num_panels_(parts(lines_, kBlock) * (kBlock / kPanel)),
      values_(allocate((two ? 2 : 1) * num_panels_ * num_steps_ * kStepValues)),
      rest_(two ? values_.get() + offset(num_panels_) : nullptr) {}

bool PackedFactor::packs(const Product::Factor& factor, bool left) const {
  return left_ == left && factor_.values.data == factor.values.data &&
         factor_.transposed == factor.transposed && factor_.values.rows == factor.values.rows &&
         factor_.values.cols == factor.values.cols;
}

std::int64_t PackedFactor::offset(std::int64_t p) const { return p * num_steps_ * kStepValues; }

void PackedFactor::pack(const KernelTable& table, std::int64_t p) {
  alignas(64) float lines[kStepValues], rounded[kStepValues / 2], left_over[kStepValues / 2];
  for (std::int64_t step = 0; step < num_steps_; ++step) {
    read(table, p * kPanel, step * kStep, lines);
    // Two neighbours of k as the halves of one 32-bit value.
    for (std::int64_t i = 0; i < kStepValues / 2; ++i) {
      const float a = lines[2 * i], b = lines[2 * i + 1];
      const std::uint32_t upper_a = upper_half(a), upper_b = upper_half(b);
      rounded[i] = std::bit_cast<float>((upper_a >> 16) | upper_b);
      left_over[i] = std::bit_cast<float>((upper_half(a - std::bit_cast<float>(upper_a)) >> 16) |
                                          upper_half(b - std::bit_cast<float>(upper_b)));
    }
    const std::int64_t at = offset(p) + step * kStepValues;
    write(table, rounded, values_.get() + at);
    if (rest_ != nullptr) write(table, left_over, rest_ + at);
  }
}

// kPanel lines of kStep values, zeros beyond the matrix.
void PackedFactor::read(const KernelTable& table, std::int64_t line, std::int64_t k, float* out) const {
  const std::int64_t lines = std::clamp<std::int64_t>(lines_ - line, 0, kPanel),
                     depth = std::min(depth_ - k, kStep);
  if (lines < kPanel || depth < kStep) std::fill_n(out, kStepValues, 0.0f);
  if (lines == 0) return;
  if (along_rows()) {
    for (std::int64_t i = 0; i < lines; ++i)
      std::copy_n(factor_.values.row(line + i) + k, depth, out + i * kStep);
  } else {
    table.transpose(factor_.values.row(k) + line, factor_.values.stride, depth, lines, out, kStep);
  }
}

// From pairs of k in lines to the table's order.
void PackedFactor::write(const KernelTable& table, const float* pairs, std::uint16_t* out) const {
  auto* values = reinterpret_cast<float*>(out);
  if (left_) {
    std::copy_n(pairs, kStepValues / 2, values);
  } else {
    table.transpose(pairs, kStep / 2, kPanel, kStep / 2, values, kPanel);
  }
}

void pack_factors(std::span<PackedFactor* const> factors, const KernelTable& table, ThreadPool& pool) {
  std::vector<std::pair<PackedFactor*, std::int64_t>> turns;  // a factor, its first panel
  for (PackedFactor* factor : factors) {
    for (std::int64_t p = 0; p < factor->num_panels(); p += kPanelsPerTurn) turns.emplace_back(factor, p);
  }
  pool.take_turns(static_cast<std::int64_t>(turns.size()), [&](std::int64_t turn, int) {
    const auto [factor, first] = turns[static_cast<std::size_t>(turn)];
    const std::int64_t end = std::min(first + kPanelsPerTurn, factor->num_panels());
    for (std::int64_t p = first; p < end; ++p) factor->pack(table, p);
  });
}

}  // namespace assay
