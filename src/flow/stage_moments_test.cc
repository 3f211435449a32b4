#include "flow/stage_moments.h"

#include "base/rng.h"
#include "quant/llm/blas.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::int64_t kInputs = 12, kOutputs = 7;

Matrix<float> normal(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  Rng rng(seed);
  Matrix<float> m(rows, cols);
  for (std::int64_t i = 0; i < rows * cols; ++i) m.data()[i] = static_cast<float>(rng.normal());
  return m;
}

BlockState state(std::int64_t rows, std::uint64_t seed) { return {normal(rows, kOutputs, seed), normal(rows, kInputs, seed + 50)}; }

// The rows of `a` and once more its last.
Matrix<float> last_row_twice(const Matrix<float>& a) {
  Matrix<float> b(a.rows() + 1, a.cols());
  std::copy_n(a.data(), a.rows() * a.cols(), b.data());
  std::copy_n(a.row(a.rows() - 1), a.cols(), b.row(a.rows()));
  return b;
}

class StageMomentsOf : public testing::Test {
 protected:
  void SetUp() override { use_single_threaded_blas(); }
};

TEST_F(StageMomentsOf, ARowOfWeightTwoCountsLikeTwoRows) {
  ThreadPool pool(1);
  const BlockState quantized = state(5, 1), reference = state(5, 2);
  StageMoments weighted(kInputs, true, kOutputs), repeated(kInputs, true, kOutputs);
  weighted.add(quantized, reference, std::vector<float>{1, 1, 1, 1, 2}, pool);
  repeated.add({last_row_twice(quantized.hidden), last_row_twice(quantized.inputs)}, {last_row_twice(reference.hidden), last_row_twice(reference.inputs)}, {}, pool);
  const LayerMoments a = *weighted.moments(), b = *repeated.moments();
  // Moments are means over 5 and over 6 rows.
  const auto expect_same = [](const Matrix<float>& x, const Matrix<float>& y) {
    for (std::int64_t i = 0; i < x.rows() * x.cols(); ++i) EXPECT_NEAR(5 * x.data()[i], 6 * y.data()[i], 1e-4);
  };
  expect_same(a.hessian, b.hessian);
  expect_same(a.drift, b.drift);
  expect_same(a.residual, b.residual);
}

TEST_F(StageMomentsOf, StreamsThatAgreeHaveNoDrift) {
  ThreadPool pool(1);
  const BlockState both = state(20, 3);
  StageMoments moments(kInputs, true, kOutputs);
  moments.add(both, both, {}, pool);
  const LayerMoments result = *moments.moments();
  for (const float value : result.drift.values()) EXPECT_EQ(value, 0.0f);
  for (const float value : result.residual.values()) EXPECT_EQ(value, 0.0f);
}

TEST_F(StageMomentsOf, WithoutAFloatStreamThereIsTheHessianAlone) {
  ThreadPool pool(1);
  StageMoments moments(kInputs, false, std::nullopt);
  EXPECT_TRUE(moments.empty());
  moments.add(state(20, 4), pool);
  const LayerMoments result = *moments.moments();
  EXPECT_EQ(result.hessian.rows(), kInputs);
  EXPECT_EQ(result.drift.rows(), 0);
  EXPECT_EQ(result.residual.rows(), 0);
}

}  // namespace
}  // namespace assay
