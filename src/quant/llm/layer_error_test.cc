#include "quant/llm/layer_error.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "quant/llm/rtn.h"
#include "quant/llm/test_layer.h"

namespace assay {
namespace {

// The definition, element by element.
LayerError slow_error(const Matrix<float>& w, const GroupQuantMatrix& q, const std::vector<std::int32_t>& order,
                      const Matrix<float>& h) {
  Matrix<double> d(w.rows(), w.cols());
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(w.cols()));
  for (std::int64_t row = 0; row < w.rows(); ++row) {
    q.get_row(row, codes);
    for (std::int64_t j = 0; j < w.cols(); ++j) {
      const auto input = order.empty() ? j : order[static_cast<std::size_t>(j)];
      const auto group = j / q.group_size();
      const int step = codes[static_cast<std::size_t>(j)] - q.zero(row, group);
      d.at(row, input) = static_cast<double>(w.at(row, input)) - static_cast<double>(to_float(q.scale(row, group))) * step;
    }
  }
  double norms[2] = {0, 0};
  double forms[2] = {0, 0};
  for (std::int64_t row = 0; row < w.rows(); ++row) {
    for (std::int64_t i = 0; i < w.cols(); ++i) {
      norms[0] += d.at(row, i) * d.at(row, i);
      norms[1] += static_cast<double>(w.at(row, i)) * w.at(row, i);
      for (std::int64_t j = 0; j < w.cols(); ++j) {
        forms[0] += d.at(row, i) * h.at(i, j) * d.at(row, j);
        forms[1] += static_cast<double>(w.at(row, i)) * h.at(i, j) * w.at(row, j);
      }
    }
  }
  return {std::sqrt(norms[0] / norms[1]), forms[0] / forms[1]};
}

GroupQuantMatrix quantized(const Matrix<float>& w, int bits) {
  ThreadPool pool(1);
  GridOptions options;
  options.bits = bits;
  return *quantize_rtn(w.view(), 32, options, {}, pool);
}

TEST(LayerError, EqualsItsDefinitionForWidthsAroundItsBlocks) {
  ThreadPool pool(2);
  for (const std::int64_t cols : {1, 40, 255, 256, 257, 300}) {
    const auto w = normal_matrix(100, cols, 1);
    const auto h = hessian_of(correlated_inputs(2 * cols, cols, 3, 2));
    const auto q = quantized(w, 4);
    std::vector<std::int32_t> reversed;
    for (std::int64_t i = cols - 1; i >= 0; --i) reversed.push_back(static_cast<std::int32_t>(i));
    for (const auto& order : {std::vector<std::int32_t>{}, reversed}) {
      const auto expected = slow_error(w, q, order, h);
      const auto found = layer_error(w.view(), q, order, h.view(), pool);
      // W - Q is rounded to float32 after Q was: 2^-23 |w| per value in all, against an error of ||W - Q||.
      // The square and the condition of H (strengths e^{0.7 n}, below 1000 in each direction) multiply that.
      const double slack = std::ldexp(1.0, -22) * 1000 / expected.weight;
      EXPECT_NEAR(found.weight, expected.weight, slack * expected.weight) << cols;
      EXPECT_NEAR(found.output, expected.output, slack * expected.output) << cols;
      EXPECT_NEAR(weight_error(w.view(), q, order), found.weight, 1e-12 * found.weight);
    }
  }
}

TEST(LayerError, IsZeroForAnExactMatrixAndForZeros) {
  ThreadPool pool(1);
  Matrix<float> w(3, 8);
  const auto h = hessian_of(correlated_inputs(20, 8, 2, 4));
  EXPECT_EQ(layer_error(w.view(), quantized(w, 4), {}, h.view(), pool).output, 0.0);
  EXPECT_EQ(layer_error(w.view(), quantized(w, 4), {}, h.view(), pool).weight, 0.0);
  for (std::int64_t i = 0; i < 24; ++i) w.data()[i] = static_cast<float>(i % 16) - 8.0f;
  GroupQuantMatrix exact(4, 3, 8, 8);
  for (std::int64_t row = 0; row < 3; ++row) {
    std::vector<std::uint8_t> codes;
    for (std::int64_t col = 0; col < 8; ++col) codes.push_back(static_cast<std::uint8_t>(w.at(row, col) + 8));
    exact.set_row(row, codes);
    exact.scale(row, 0) = to_float16(1.0f);
    exact.zero(row, 0) = 8;
  }
  EXPECT_EQ(layer_error(w.view(), exact, {}, h.view(), pool).output, 0.0);
  exact.zero(1, 0) = 7;  // one step off in one row must show
  EXPECT_GT(layer_error(w.view(), exact, {}, h.view(), pool).output, 0.0);
  EXPECT_GT(layer_error(w.view(), exact, {}, h.view(), pool).weight, 0.0);
}

TEST(LayerError, NanPropagates) {
  ThreadPool pool(1);
  auto w = normal_matrix(4, 8, 1);
  const auto q = quantized(w, 4);
  w.at(2, 3) = std::numeric_limits<float>::quiet_NaN();
  const auto error = layer_error(w.view(), q, {}, hessian_of(correlated_inputs(20, 8, 2, 4)).view(), pool);
  EXPECT_TRUE(std::isnan(error.weight));
  EXPECT_TRUE(std::isnan(error.output));
}

TEST(LayerError, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto w = normal_matrix(211, 300, 1);
  const auto q = quantized(w, 3);
  const auto h = hessian_of(correlated_inputs(400, 300, 3, 2));
  ThreadPool one(1);
  const auto expected = layer_error(w.view(), q, {}, h.view(), one);
  for (const int threads : {2, 3}) {
    ThreadPool pool(threads);
    const auto found = layer_error(w.view(), q, {}, h.view(), pool);
    EXPECT_EQ(found.output, expected.output);
    EXPECT_EQ(found.weight, expected.weight);
  }
}

}  // namespace
}  // namespace assay
