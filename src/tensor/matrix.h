// Row-major matrices: views that borrow and an owner.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"

namespace assay {

// Borrows rows x cols values, row r starting at data + r * stride. stride >= cols, in values. Copying copies
// the view.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  MatrixView() = default;
  MatrixView(T* values, std::int64_t num_rows, std::int64_t num_cols)
      : MatrixView(values, num_rows, num_cols, num_cols) {}
  MatrixView(T* values, std::int64_t num_rows, std::int64_t num_cols, std::int64_t row_stride)
      : data(values), rows(num_rows), cols(num_cols), stride(row_stride) {}
  // A view that may write is also one that may read.
  template <typename U>
  requires(std::is_same_v<T, const U>) MatrixView(MatrixView<U> other)
      : MatrixView(other.data, other.rows, other.cols, other.stride) {}  // NOLINT

  T* row(std::int64_t r) const { return data + r * stride; }
  T& at(std::int64_t r, std::int64_t c) const { return data[r * stride + c]; }
  // REQUIRES: the part lies within the view.
  MatrixView rows_between(std::int64_t begin, std::int64_t end) const {
    return {row(begin), end - begin, cols, stride};
  }
  MatrixView cols_between(std::int64_t begin, std::int64_t end) const {
    return {data + begin, rows, end - begin, stride};
  }
};

// Leaves values that are not given as the memory is.
template <typename T>
struct UnsetAllocator : std::allocator<T> {
  template <typename U>
  struct rebind {
    using other = UnsetAllocator<U>;
  };
  template <typename U>
  void construct(U* at) {
    ::new (static_cast<void*>(at)) U;
  }
  template <typename U, typename... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }
};

// Owns rows x cols values, zero at first, without padding.
template <typename T>
class Matrix {
 public:
  Matrix() = default;
  Matrix(std::int64_t rows, std::int64_t cols)
      : rows_(rows), cols_(cols), values_(static_cast<std::size_t>(rows * cols), T{}) {
    ASSAY_CHECK(rows >= 0 && cols >= 0);
  }
  // Values are whatever is there: for a matrix that is written whole before it is read.
  static Matrix unset(std::int64_t rows, std::int64_t cols) {
    ASSAY_CHECK(rows >= 0 && cols >= 0);
    Matrix matrix;
    matrix.rows_ = rows;
    matrix.cols_ = cols;
    matrix.values_.resize(static_cast<std::size_t>(rows * cols));
    return matrix;
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  T* data() { return values_.data(); }
  const T* data() const { return values_.data(); }
  T* row(std::int64_t r) { return values_.data() + r * cols_; }
  const T* row(std::int64_t r) const { return values_.data() + r * cols_; }
  T& at(std::int64_t r, std::int64_t c) { return values_[static_cast<std::size_t>(r * cols_ + c)]; }
  const T& at(std::int64_t r, std::int64_t c) const {
    return values_[static_cast<std::size_t>(r * cols_ + c)];
  }
  std::span<const T> values() const { return values_; }
  MatrixView<T> view() { return {values_.data(), rows_, cols_}; }
  MatrixView<const T> view() const { return {values_.data(), rows_, cols_}; }

 private:
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
  std::vector<T, UnsetAllocator<T>> values_;
};

}  // namespace assay
