// Aligned working memory, and the inner form of a weight matrix. Private to the <op>.cc files of this folder
// and to gradient.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "kernels/kernel_table.h"
#include "tensor/group_quant.h"

namespace assay {

// `count` values, not initialized, aligned to a cache line.
template <typename T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count)
      : values_(static_cast<T*>(::operator new(static_cast<std::size_t>(count) * sizeof(T), kAlignment))) {}
  T* get() const { return values_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(T* values) const { ::operator delete(values, kAlignment); }
  };
  std::unique_ptr<T, Free> values_;
};

// REQUIRES: a dtype that is_weight_dtype.
WeightRows weight_rows(const WeightView& weight);

}  // namespace assay
