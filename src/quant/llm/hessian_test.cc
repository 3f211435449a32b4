#include "quant/llm/hessian.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "quant/llm/blas.h"
#include "quant/llm/test_layer.h"

namespace assay {
namespace {

// Runs once before any test of this program: the library requires it of main().
class SingleThreadedBlas : public testing::Environment {
 public:
  void SetUp() override { use_single_threaded_blas(); }
};
const auto* const kBlasEnvironment = testing::AddGlobalTestEnvironment(new SingleThreadedBlas);

bool same_bits(const Matrix<float>& a, const Matrix<float>& b) {
  return a.values().size() == b.values().size() && std::memcmp(a.data(), b.data(), a.values().size_bytes()) == 0;
}

TEST(Blas, IsSingleThreadedOnceAskedTo) {
  EXPECT_TRUE(blas_is_single_threaded());
  EXPECT_NE(blas_description().find("OpenBLAS"), std::string::npos);
}

TEST(GramAccumulator, IsExactOnSmallIntegersForEverySize) {
  for (const std::int64_t dim : {1, 2, 31, 287, 288, 289, 600}) {
    Rng rng(static_cast<std::uint64_t>(dim));
    Matrix<float> x(64, dim);
    for (std::int64_t i = 0; i < 64 * dim; ++i) x.data()[i] = static_cast<float>(static_cast<int>(rng.below(17)) - 8);
    const auto h = hessian_of(x);
    for (std::int64_t i = 0; i < dim; ++i) {
      for (std::int64_t j = 0; j < dim; ++j) {
        float sum = 0.0f;
        for (std::int64_t t = 0; t < 64; ++t) sum += x.at(t, i) * x.at(t, j);
        ASSERT_EQ(h.at(i, j), sum / 32.0f) << "dim " << dim << " at " << i << ", " << j;
      }
    }
  }
}

TEST(GramAccumulator, StaysWithinTheBoundOfItsContract) {
  const auto x = correlated_inputs(700, 97, 5, 3);
  const auto h = hessian_of(x);
  const double eps = std::ldexp(1.0, -24);
  const double gamma = 701 * eps / (1 - 701 * eps);  // 700 products and sums, and the scaling
  for (std::int64_t i = 0; i < 97; ++i) {
    for (std::int64_t j = 0; j < 97; ++j) {
      double exact = 0.0;
      double magnitude = 0.0;
      for (std::int64_t t = 0; t < 700; ++t) {
        const double product = static_cast<double>(x.at(t, i)) * x.at(t, j);
        exact += product;
        magnitude += std::fabs(product);
      }
      ASSERT_LE(std::fabs(h.at(i, j) - exact * 2 / 700), gamma * magnitude * 2 / 700) << i << ", " << j;
    }
  }
}

TEST(GramAccumulator, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto x = correlated_inputs(515, 650, 4, 5);
  Matrix<float> reference;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    GramAccumulator gram(650);
    gram.add(x.view().rows_between(0, 300), pool);
    gram.add(x.view().rows_between(300, 515), pool);
    EXPECT_EQ(gram.num_rows(), 515);
    const auto h = *gram.hessian();
    if (threads == 1) reference = h;
    EXPECT_TRUE(same_bits(h, reference)) << threads << " threads";
  }
}

TEST(GramAccumulator, ReadsStridedRows) {
  const auto wide = correlated_inputs(40, 30, 2, 6);
  Matrix<float> narrow(40, 11);
  for (std::int64_t row = 0; row < 40; ++row) std::copy_n(wide.row(row) + 7, 11, narrow.row(row));
  ThreadPool pool(2);
  GramAccumulator gram(11);
  gram.add(wide.view().cols_between(7, 18), pool);
  EXPECT_TRUE(same_bits(*gram.hessian(), hessian_of(narrow)));
}

TEST(GramAccumulator, MergingShardsEqualsSeeingBothOnIntegers) {
  Matrix<float> x(20, 5);
  for (std::int64_t i = 0; i < 100; ++i) x.data()[i] = static_cast<float>(i % 7) - 3.0f;
  ThreadPool pool(1);
  GramAccumulator first(5);
  GramAccumulator second(5);
  first.add(x.view().rows_between(0, 8), pool);
  second.add(x.view().rows_between(8, 20), pool);
  first.merge(second);
  EXPECT_EQ(first.num_rows(), 20);
  EXPECT_TRUE(same_bits(*first.hessian(), hessian_of(x)));
}

TEST(GramAccumulator, SaysThatNothingWasAdded) {
  const GramAccumulator gram(4);
  const auto h = gram.hessian();
  ASSERT_FALSE(h.has_value());
  EXPECT_EQ(h.error().code, ErrorCode::kInvalidArgument);
}

TEST(GramAccumulator, LetsNanReachTheResult) {
  Matrix<float> x(3, 4);
  x.at(1, 2) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(hessian_of(x).at(2, 2)));
}

}  // namespace
}  // namespace assay
