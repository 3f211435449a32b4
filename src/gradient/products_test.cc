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

TEST(Products, AreExactOnWholeNumbersForEveryRemainderOfATile) {
  openblas_set_num_threads(1);
  ThreadPool pool(2);
  struct Sizes {
    std::int64_t t, n, k;
  };
  for (const auto [t, n, k] : {Sizes{1, 1, 1}, {3, 5, 7}, {513, 385, 3}, {2, 400, 515}, {520, 9, 390}}) {
    const Matrix<float> x = whole_matrix(t, k, kGradientSeed), w = whole_matrix(n, k, kGradientSeed + 1),
                        dy = whole_matrix(t, n, kGradientSeed + 2);
    Matrix<float> y(t, n), dx(t, k), dw(n, k), y_twice, dx_twice, dw_twice;
    multiply_forward(x.view(), w.view(), y.view(), Accumulate::kNo, pool);
    multiply_to_input(dy.view(), w.view(), dx.view(), Accumulate::kNo, pool);
    multiply_to_weight(dy.view(), x.view(), dw.view(), Accumulate::kNo, pool);
    y_twice = y, dx_twice = dx, dw_twice = dw;
    multiply_forward(x.view(), w.view(), y_twice.view(), Accumulate::kYes, pool);
    multiply_to_input(dy.view(), w.view(), dx_twice.view(), Accumulate::kYes, pool);
    multiply_to_weight(dy.view(), x.view(), dw_twice.view(), Accumulate::kYes, pool);
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

}  // namespace
}  // namespace assay
