#include "gradient/brain_products.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "base/check.h"
#include "gradient/packed_factor.h"
#include "gradient/turns.h"
#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr std::int64_t kPanel = kBrainPanel, kBlock = kBrainBlock;
// Rows of blocks that share the panels of their columns in the cache.
constexpr std::int64_t kBlocksPerTurn = 4;

// A product with its packed factors.
struct PackedProduct {
  const PackedFactor *left, *right;
  MatrixView<float> out;
  bool onto;
};

class Batch {
 public:
  Batch(std::span<const Product> products, const KernelTable& table)
      : table_(table), two_(products.front().factors == Factors::kFloat) {
    for (const auto& same : by_output(products)) {
      auto& packed_products = outputs_.emplace_back();
      for (const Product& product : same) {
        ASSAY_CHECK((product.factors == Factors::kFloat) == two_);
        packed_products.push_back({packed(product.left, true), packed(product.right, false), product.out,
                                   product.accumulate == Accumulate::kYes});
      }
      turns_.add_job(turns_down(same.front().out) * pieces(same.front().out.cols, kBlock));
    }
  }

  void pack(ThreadPool& pool) {
    std::vector<PackedFactor*> factors;
    for (PackedFactor& factor : factors_) factors.push_back(&factor);
    pack_factors(factors, table_, pool);
  }

  void multiply(ThreadPool& pool) const {
    pool.take_turns(turns_.count(), [&](std::int64_t turn, int) {
      const auto [output, own] = turns_.find(turn);
      const MatrixView<float>& out = outputs_[output].front().out;
      const std::int64_t down = turns_down(out), col = own / down * kBlock,
                         first = own % down * kBlock * kBlocksPerTurn;
      for (std::int64_t row = first; row < std::min(out.rows, first + kBlock * kBlocksPerTurn);
           row += kBlock) {
        for (const PackedProduct& product : outputs_[output]) multiply_block(product, row, col);
      }
    });
  }

 private:
  static std::int64_t turns_down(const MatrixView<float>& out) {
    return pieces(out.rows, kBlock * kBlocksPerTurn);
  }

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
  std::vector<std::vector<PackedProduct>> outputs_;
  Turns turns_;
};

}  // namespace

std::vector<std::span<const Product>> by_output(std::span<const Product> products) {
  std::vector<std::span<const Product>> outputs;
  while (!products.empty()) {
    const MatrixView<float>& out = products.front().out;
    std::size_t same = 1;
    while (same < products.size() && products[same].out.data == out.data) ++same;
    if (out.rows > 0 && out.cols > 0) outputs.push_back(products.first(same));
    products = products.subspan(same);
  }
  return outputs;
}

void multiply_brains(std::span<const Product> products, const KernelContext& kernels) {
  if (products.empty()) return;
  Batch batch(products, *kernels.table);
  batch.pack(*kernels.pool);
  batch.multiply(*kernels.pool);
}

}  // namespace assay
