// A factor of products in panels of bfloat16, as KernelTable::multiply_brain_block reads them.
#pragma once
#include <cstdint>
#include <span>

#include "gradient/products.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"

namespace assay {

class PackedFactor {
 public:
  // Of a left or a right factor; `two`: besides the values rounded, what rounding took from them, rounded.
  // Borrows the factor's values. Holds nothing until it is packed.
  PackedFactor(const Product::Factor& factor, bool left, bool two);

  // Whether this is that factor.
  bool packs(const Product::Factor& factor, bool left) const;
  bool has_rest() const { return rest_ != nullptr; }
  std::int64_t num_panels() const { return num_panels_; }
  std::int64_t num_steps() const { return num_steps_; }
  const std::uint16_t* panel(std::int64_t p) const { return values_.get() + offset(p); }
  const std::uint16_t* rest(std::int64_t p) const { return rest_ + offset(p); }

  // Thread safety: of different panels at once.
  void pack(const KernelTable& table, std::int64_t p);

 private:
  std::int64_t offset(std::int64_t p) const;
  void round(std::int64_t p, std::int64_t step, float* rounded, float* left_over) const;
  // Whether neighbours of k are neighbours in memory.
  bool along_rows() const { return left_ != factor_.transposed; }

  Product::Factor factor_;
  bool left_;
  std::int64_t lines_, depth_;  // rows of the left factor or columns of the right one; terms of a sum
  std::int64_t num_steps_, num_panels_;
  Scratch<std::uint16_t> values_;
  std::uint16_t* rest_;
};

void pack_factors(std::span<PackedFactor* const> factors, const KernelTable& table, ThreadPool& pool);

}  // namespace assay
