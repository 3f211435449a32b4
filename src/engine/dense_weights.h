// The weights of a matrix as floats that may be changed.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/model.h"
#include "kernels/kernels.h"

namespace assay {

// A copy of W [rows, cols] and its bias. What it is of must outlive it and stay where it is until store() has
// put the copy in its place. Not thread safe, but for different rows or columns.
class DenseWeights {
 public:
  // kUnsupported where the matrix is quantized.
  static Status check(const Linear& linear);
  static Result<DenseWeights> of(Linear& linear, const KernelTable& table);

  std::int64_t rows() const { return linear_->weight.rows; }
  std::int64_t cols() const { return linear_->weight.cols; }
  float* row(std::int64_t r) { return values_.data() + r * cols(); }
  std::vector<float>& bias() { return bias_; }  // (rows) or empty
  // Column c times scale[c]. scale (cols).
  void scale_columns(std::span<const float> scale);

  void store();

 private:
  explicit DenseWeights(Linear& linear);

  Linear* linear_;
  std::vector<float> values_;
  std::vector<float> bias_;
};

}  // namespace assay
