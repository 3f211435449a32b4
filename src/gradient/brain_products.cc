#include "gradient/brain_products.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <new>
#include <vector>

#include "base/check.h"
#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr std::int64_t kPanel = kBrainPanel, kStep = kBrainStep, kBlock = kBrainBlock;
constexpr std::int64_t kStepValues = kPanel * kStep;
// Rows of blocks that share the panels of their columns in the cache.
constexpr std::int64_t kBlocksPerTurn = 4;
constexpr std::int64_t kPanelsPerTurn = 8;

std::int64_t parts(std::int64_t size, std::int64_t length) { return (size + length - 1) / length; }

// The nearest bfloat16, ties to even, as the upper half of a float; not for NaN.
std::uint32_t upper_half(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
}

// One factor in panels: the values rounded, and where wanted what rounding took from them.
class PackedFactor {
 public:
  PackedFactor(const Product::Factor& factor, bool left, bool two)
      : factor_(factor),
        left_(left),
        lines_(left != factor.transposed ? factor.values.rows : factor.values.cols),
        depth_(left != factor.transposed ? factor.values.cols : factor.values.rows),
        num_steps_(parts(depth_, kStep)),
        num_panels_(parts(lines_, kBlock) * (kBlock / kPanel)),
        values_(static_cast<std::uint16_t*>(::operator new(
            static_cast<std::size_t>((two ? 2 : 1) * num_panels_ * num_steps_ * kStepValues) * 2,
            kAlignment))),
        rest_(two ? values_.get() + num_panels_ * num_steps_ * kStepValues : nullptr) {}

  bool packs(const Product::Factor& factor, bool left) const {
    return left_ == left && factor_.values.data == factor.values.data &&
           factor_.transposed == factor.transposed && factor_.values.rows == factor.values.rows &&
           factor_.values.cols == factor.values.cols;
  }
  std::int64_t num_panels() const { return num_panels_; }
  std::int64_t num_steps() const { return num_steps_; }
  const std::uint16_t* panel(std::int64_t p) const { return values_.get() + p * num_steps_ * kStepValues; }
  const std::uint16_t* rest(std::int64_t p) const { return rest_ + p * num_steps_ * kStepValues; }

  void pack(const KernelTable& table, std::int64_t p) {
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
      const std::int64_t at = (p * num_steps_ + step) * kStepValues;
      write(table, rounded, values_.get() + at);
      if (rest_ != nullptr) write(table, left_over, rest_ + at);
    }
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(std::uint16_t* values) const { ::operator delete(values, kAlignment); }
  };

  // kPanel lines of kStep values, zeros beyond the matrix.
  void read(const KernelTable& table, std::int64_t line, std::int64_t k, float* out) const {
    const std::int64_t lines = std::clamp<std::int64_t>(lines_ - line, 0, kPanel),
                       depth = std::min(depth_ - k, kStep);
    if (lines < kPanel || depth < kStep) std::fill_n(out, kStepValues, 0.0f);
    if (lines == 0) return;
    if (left_ != factor_.transposed) {
      for (std::int64_t i = 0; i < lines; ++i)
        std::copy_n(factor_.values.row(line + i) + k, depth, out + i * kStep);
    } else {
      table.transpose(factor_.values.row(k) + line, factor_.values.stride, depth, lines, out, kStep);
    }
  }

  // From pairs of k in lines to the table's order.
  void write(const KernelTable& table, const float* pairs, std::uint16_t* out) const {
    auto* values = reinterpret_cast<float*>(out);
    if (left_) {
      std::copy_n(pairs, kStepValues / 2, values);
    } else {
      table.transpose(pairs, kStep / 2, kPanel, kStep / 2, values, kPanel);
    }
  }

  Product::Factor factor_;
  bool left_;
  std::int64_t lines_, depth_;  // rows of the left factor or columns of the right one; terms of a sum
  std::int64_t num_steps_, num_panels_;
  std::unique_ptr<std::uint16_t, Free> values_;
  std::uint16_t* rest_;
};

// A product with its packed factors.
struct PackedProduct {
  std::size_t left, right;  // of the list of factors
  MatrixView<float> out;
  bool onto;
};

// Products of one output, and its turns among those of all outputs.
struct Output {
  std::vector<PackedProduct> products;
  std::int64_t turns_down, first_turn, end_turn;
};

class Batch {
 public:
  Batch(std::span<const Product> products, const KernelTable& table)
      : table_(table), two_(products.front().factors == Factors::kFloat) {
    for (const Product& product : products) {
      ASSAY_CHECK((product.factors == Factors::kFloat) == two_);
      if (product.out.rows == 0 || product.out.cols == 0) continue;
      if (outputs_.empty() || outputs_.back().products.front().out.data != product.out.data) {
        const std::int64_t first = num_turns(), down = parts(product.out.rows, kBlock * kBlocksPerTurn);
        outputs_.push_back({{}, down, first, first + down * parts(product.out.cols, kBlock)});
      }
      outputs_.back().products.push_back({packed(product.left, true), packed(product.right, false),
                                          product.out, product.accumulate == Accumulate::kYes});
    }
  }

  void pack(ThreadPool& pool) {
    std::vector<std::pair<std::size_t, std::int64_t>> turns;  // a factor, its first panel
    for (std::size_t f = 0; f < factors_.size(); ++f) {
      for (std::int64_t p = 0; p < factors_[f].num_panels(); p += kPanelsPerTurn) turns.emplace_back(f, p);
    }
    pool.take_turns(static_cast<std::int64_t>(turns.size()), [&](std::int64_t turn, int) {
      const auto [f, first] = turns[static_cast<std::size_t>(turn)];
      const std::int64_t end = std::min(first + kPanelsPerTurn, factors_[f].num_panels());
      for (std::int64_t p = first; p < end; ++p) factors_[f].pack(table_, p);
    });
  }

  void multiply(ThreadPool& pool) const {
    pool.take_turns(num_turns(), [&](std::int64_t turn, int) {
      const Output& output =
          *std::ranges::upper_bound(outputs_, turn, {}, [](const Output& o) { return o.end_turn; });
      const std::int64_t own = turn - output.first_turn;
      const std::int64_t col = own / output.turns_down * kBlock,
                         first = own % output.turns_down * kBlock * kBlocksPerTurn;
      const std::int64_t rows = output.products.front().out.rows;
      for (std::int64_t row = first; row < std::min(rows, first + kBlock * kBlocksPerTurn); row += kBlock) {
        for (const PackedProduct& product : output.products) multiply_block(product, row, col);
      }
    });
  }

 private:
  std::int64_t num_turns() const { return outputs_.empty() ? 0 : outputs_.back().end_turn; }

  std::size_t packed(const Product::Factor& factor, bool left) {
    const auto same =
        std::ranges::find_if(factors_, [&](const PackedFactor& other) { return other.packs(factor, left); });
    if (same != factors_.end()) return static_cast<std::size_t>(same - factors_.begin());
    factors_.emplace_back(factor, left, two_);
    return factors_.size() - 1;
  }

  void multiply_block(const PackedProduct& product, std::int64_t row, std::int64_t col) const {
    const PackedFactor &left = factors_[product.left], &right = factors_[product.right];
    BrainBlock block{.num_terms = two_ ? 3 : 1, .num_steps = left.num_steps()};
    for (int i = 0; i < 2; ++i) {
      const std::int64_t r = row / kPanel + i, c = col / kPanel + i;
      block.terms[0].left[i] = left.panel(r), block.terms[0].right[i] = right.panel(c);
      if (!two_) continue;
      block.terms[1].left[i] = left.panel(r), block.terms[1].right[i] = right.rest(c);
      block.terms[2].left[i] = left.rest(r), block.terms[2].right[i] = right.panel(c);
    }
    float* out = product.out.row(row) + col;
    const std::int64_t rows = std::min(kBlock, product.out.rows - row),
                       cols = std::min(kBlock, product.out.cols - col);
    if (rows == kBlock && cols == kBlock) {
      block.out = out;
      block.out_stride = product.out.stride;
      block.onto = product.onto;
      return table_.multiply_brain_block(block);
    }
    alignas(64) float scratch[kBlock * kBlock] = {};
    for (std::int64_t i = 0; product.onto && i < rows; ++i)
      std::copy_n(out + i * product.out.stride, cols, scratch + i * kBlock);
    block.out = scratch;
    block.out_stride = kBlock;
    block.onto = true;
    table_.multiply_brain_block(block);
    for (std::int64_t i = 0; i < rows; ++i)
      std::copy_n(scratch + i * kBlock, cols, out + i * product.out.stride);
  }

  const KernelTable& table_;
  bool two_;
  std::vector<PackedFactor> factors_;
  std::vector<Output> outputs_;
};

}  // namespace

void multiply_brains(std::span<const Product> products, const KernelContext& kernels) {
  if (products.empty()) return;
  Batch batch(products, *kernels.table);
  batch.pack(*kernels.pool);
  batch.multiply(*kernels.pool);
}

}  // namespace assay
