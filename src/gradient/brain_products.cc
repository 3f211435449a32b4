#include "gradient/brain_products.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "base/check.h"
#include "gradient/packed_factor.h"
#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr std::int64_t kPanel = kBrainPanel, kBlock = kBrainBlock;
// Rows of blocks that share the panels of their columns in the cache.
constexpr std::int64_t kBlocksPerTurn = 4;

std::int64_t parts(std::int64_t size, std::int64_t length) { return (size + length - 1) / length; }

// A product with its packed factors.
struct PackedProduct {
  const PackedFactor *left, *right;
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
    std::vector<PackedFactor*> factors;
    for (PackedFactor& factor : factors_) factors.push_back(&factor);
    pack_factors(factors, table_, pool);
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

  const PackedFactor* packed(const Product::Factor& factor, bool left) {
    if (factor.packed != nullptr) {
      ASSAY_CHECK(factor.packed->packs(factor, left) && factor.packed->has_rest() >= two_);
      return factor.packed;
    }
    const auto same =
        std::ranges::find_if(factors_, [&](const PackedFactor& other) { return other.packs(factor, left); });
    return same != factors_.end() ? &*same : &factors_.emplace_back(factor, left, two_);
  }

  void multiply_block(const PackedProduct& product, std::int64_t row, std::int64_t col) const {
    const PackedFactor &left = *product.left, &right = *product.right;
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
  std::deque<PackedFactor> factors_;  // stay where they are
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
