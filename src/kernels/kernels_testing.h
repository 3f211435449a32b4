// What the tests of the kernels share: every table that runs here, random weights of every format, and
// comparators.
#pragma once
#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace assay {

// Owns the bytes of a weight matrix of any format.
struct TestWeights {
  std::vector<std::byte> bytes;
  GroupQuantMatrix groups;
  WeightView view;
};

// Random values of about unit size. cols is a multiple of the block length.
TestWeights dense_weights(DType dtype, std::int64_t rows, std::int64_t cols, std::uint64_t seed);
TestWeights group_weights(int bits, std::int64_t rows, std::int64_t cols, std::int64_t group_size,
                          std::uint64_t seed);

// A format as a parameter: a dense dtype, or bits with a group size.
struct TestFormat {
  DType dtype = DType::kF32;
  int bits = 0;
  std::int64_t group_size = 0;

  std::string name() const;
  std::int64_t block_values() const;
  TestWeights make(std::int64_t rows, std::int64_t cols, std::uint64_t seed) const;
};
std::vector<TestFormat> all_formats();

std::vector<float> normal_values(std::int64_t count, std::uint64_t seed);
// All of W as the reference converts it.
std::vector<float> reference_values(const WeightView& weight);

// A product in double, (T, rows), and how far linear() may be from it.
struct Expected {
  std::vector<double> y;
  std::vector<double> bound;
};
// With the bound for Activations::kFloat.
Expected exact_product(const WeightView& weight, MatrixView<const float> x, std::span<const float> bias);
// docs/numerics.md#int8: rounding x moves it by half a step of its group of so many columns.
void add_rounding_bound(const WeightView& weight, MatrixView<const float> x, Expected& expected,
                        std::int64_t group_cols = 32);
// What float sums lose of which codes and zero points are apart.
void add_integer_sum_bound(const WeightView& weight, MatrixView<const float> x, Expected& expected);

// Every |actual - expected| is at most its bound and nothing is NaN.
testing::AssertionResult within_bound(std::span<const float> actual, std::span<const double> expected,
                                      std::span<const double> bound);
// Equal in every bit.
testing::AssertionResult same_bits(std::span<const float> actual, std::span<const float> expected);

// For tests that run once for each table.
class EveryTable : public testing::TestWithParam<const KernelTable*> {
 protected:
  KernelContext context(Activations activations = Activations::kFloat) {
    return {GetParam(), &pool_, activations};
  }
  ThreadPool pool_{2};
};
std::vector<const KernelTable*> tables_here();
std::string table_name(const testing::TestParamInfo<const KernelTable*>& info);

}  // namespace assay
