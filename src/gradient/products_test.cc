#include "gradient/products.h"

#include <cblas.h>

#include <cmath>

#include "gradient/gradient_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

// Small whole numbers, so that every sum is exact in float32.
Matrix<float> whole_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  Matrix<float> m = normal_matrix(rows, cols, seed, 2.0f);
  for (std::int64_t i = 0; i < rows * cols; ++i) m.data()[i] = std::round(m.data()[i]);
  return m;
}

// The parameter: terms of bfloat16 that the table takes for cheap.
class Products : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { openblas_set_num_threads(1); }
  ThreadPool pool_{3};
  KernelTable table_ = table_with_products(GetParam());
  KernelContext kernels_{&table_, &pool_};
};

TEST_P(Products, AreExactOnWholeNumbersForEveryRemainderOfATile) {
  struct Sizes {
    std::int64_t t, n, k;
  };
  for (const auto [t, n, k] : {Sizes{1, 1, 1}, {3, 5, 7}, {513, 385, 3}, {2, 400, 515}, {520, 9, 390}}) {
    const Matrix<float> x = whole_matrix(t, k, kGradientSeed), w = whole_matrix(n, k, kGradientSeed + 1),
                        dy = whole_matrix(t, n, kGradientSeed + 2);
    Matrix<float> y(t, n), dx(t, k), dw(n, k), y_twice, dx_twice, dw_twice;
    multiply({{forward_product(x.view(), w.view(), y.view(), Accumulate::kNo, Factors::kFloat)}}, kernels_);
    multiply({{input_product(dy.view(), w.view(), dx.view(), Accumulate::kNo),
               weight_product(dy.view(), x.view(), dw.view(), Accumulate::kNo)}},
             kernels_);
    y_twice = y, dx_twice = dx, dw_twice = dw;
    multiply({{forward_product(x.view(), w.view(), y_twice.view(), Accumulate::kYes, Factors::kFloat)}},
             kernels_);
    multiply({{input_product(dy.view(), w.view(), dx_twice.view(), Accumulate::kYes),
               weight_product(dy.view(), x.view(), dw_twice.view(), Accumulate::kYes)}},
             kernels_);
    const auto check = [](const Matrix<float>& got, const Matrix<float>& twice, auto exact) {
      for (std::int64_t r = 0; r < got.rows(); r += std::max<std::int64_t>(1, got.rows() / 40)) {
        for (std::int64_t c = 0; c < got.cols(); ++c) {
          const double expected = exact(r, c);
          ASSERT_EQ(got.at(r, c), expected) << r << ", " << c << ", seed " << kGradientSeed;
          ASSERT_EQ(twice.at(r, c), 2 * expected) << r << ", " << c;
        }
      }
    };
    const auto sum = [](std::int64_t count, auto term) {
      double total = 0;
      for (std::int64_t i = 0; i < count; ++i) total += term(i);
      return total;
    };
    check(y, y_twice,
          [&](auto r, auto c) { return sum(k, [&](auto i) { return x.at(r, i) * w.at(c, i); }); });
    check(dx, dx_twice,
          [&](auto r, auto c) { return sum(n, [&](auto i) { return dy.at(r, i) * w.at(i, c); }); });
    check(dw, dw_twice,
          [&](auto r, auto c) { return sum(t, [&](auto i) { return dy.at(i, r) * x.at(i, c); }); });
  }
}

TEST_P(Products, AddsThoseThatFollowOneAnotherInOneOutput) {
  const Matrix<float> a = whole_matrix(300, 40, kGradientSeed), b = whole_matrix(40, 500, kGradientSeed + 1),
                      c = whole_matrix(300, 7, kGradientSeed + 2),
                      d = whole_matrix(7, 500, kGradientSeed + 3);
  Matrix<float> first(300, 500), second(300, 500), sum = whole_matrix(300, 500, kGradientSeed + 4);
  multiply({{input_product(a.view(), b.view(), first.view(), Accumulate::kNo),
             input_product(c.view(), d.view(), second.view(), Accumulate::kNo),
             input_product(a.view(), b.view(), sum.view(), Accumulate::kNo),
             input_product(c.view(), d.view(), sum.view(), Accumulate::kYes)}},
           kernels_);
  for (std::int64_t i = 0; i < 300 * 500; ++i)
    ASSERT_EQ(sum.data()[i], first.data()[i] + second.data()[i]) << i << ", seed " << kGradientSeed;
}

TEST_P(Products, OfNoRowsOrNoneAtAllWriteNothing) {
  const Matrix<float> x(0, 5), w = whole_matrix(3, 5, kGradientSeed), dy(0, 3);
  Matrix<float> dx(0, 5), dw = whole_matrix(3, 5, kGradientSeed + 1);
  const Matrix<float> before = dw;
  multiply({{input_product(dy.view(), w.view(), dx.view(), Accumulate::kNo),
             weight_product(dy.view(), x.view(), dw.view(), Accumulate::kYes)}},
           kernels_);
  multiply({}, kernels_);
  EXPECT_TRUE(std::ranges::equal(dw.values(), before.values()));
}

TEST_P(Products, AreAsExactAsTheirFactorsPromise) {
  const std::int64_t t = 70, n = 45, k = 200;
  const Matrix<float> x = normal_matrix(t, k, kGradientSeed), w = normal_matrix(n, k, kGradientSeed + 1),
                      dy = normal_matrix(t, n, kGradientSeed + 2);
  Matrix<float> y(t, n), rough_y(t, n), dx(t, k), dw(n, k);
  multiply({{forward_product(x.view(), w.view(), y.view(), Accumulate::kNo, Factors::kFloat)}}, kernels_);
  multiply({{forward_product(x.view(), w.view(), rough_y.view(), Accumulate::kNo, Factors::kBrain)}},
           kernels_);
  multiply({{input_product(dy.view(), w.view(), dx.view(), Accumulate::kNo),
             weight_product(dy.view(), x.view(), dw.view(), Accumulate::kNo)}},
           kernels_);
  const auto check = [](const Matrix<float>& got, std::int64_t depth, double error, auto left, auto right) {
    for (std::int64_t r = 0; r < got.rows(); ++r) {
      for (std::int64_t c = 0; c < got.cols(); ++c) {
        double sum = 0, size = 0;
        for (std::int64_t i = 0; i < depth; ++i) {
          const double product = static_cast<double>(left(r, i)) * right(i, c);
          sum += product;
          size += std::abs(product);
        }
        ASSERT_LE(std::abs(got.at(r, c) - sum), (static_cast<double>(3 * depth) * 0x1p-24 + error) * size)
            << r << ", " << c << ", seed " << kGradientSeed;
      }
    }
  };
  const double fine = GetParam() >= 3 ? 0x1p-14 : 0, rough = GetParam() >= 1 ? 1.01 * 0x1p-7 : 0;
  const auto check_forward = [&](const Matrix<float>& got, double error) {
    check(
        got, k, error, [&](auto r, auto i) { return x.at(r, i); },
        [&](auto i, auto c) { return w.at(c, i); });
  };
  check_forward(y, fine);
  check_forward(rough_y, rough);
  check(
      dx, n, rough, [&](auto r, auto i) { return dy.at(r, i); }, [&](auto i, auto c) { return w.at(i, c); });
  check(
      dw, t, rough, [&](auto r, auto i) { return dy.at(i, r); }, [&](auto i, auto c) { return x.at(i, c); });
}

INSTANTIATE_TEST_SUITE_P(CheapBrainTerms, Products, testing::Values(0, 1, 3));

}  // namespace
}  // namespace assay
