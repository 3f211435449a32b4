#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/kernels_testing.h"

namespace assay {
namespace {

constexpr double kUnit =
    0x1.0p-24;  // half the distance of the floats at 1: the relative error of one operation
constexpr std::int64_t kCounts[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 576, 1000};

class Elementwise : public EveryTable {};
INSTANTIATE_TEST_SUITE_P(Table, Elementwise, testing::ValuesIn(tables_here()), table_name);

double exact(Activation f, double x) {
  switch (f) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kGeluErf:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::kRelu:
      return std::max(x, 0.0);
  }
  return 0;
}

double ulp(double value) {
  const auto magnitude = std::max(static_cast<float>(std::abs(value)), std::numeric_limits<float>::min());
  return static_cast<double>(std::nextafter(magnitude, std::numeric_limits<float>::infinity())) - magnitude;
}

constexpr Activation kActivations[] = {Activation::kSilu, Activation::kGeluTanh, Activation::kGeluErf,
                                       Activation::kRelu};

TEST_P(Elementwise, KeepsActivationsWithinFourUlpAndTheUnitOfTheirInput) {
  std::vector<float> inputs = {0.0f, -0.0f};
  for (float x = 1e-30f; x < 1e4f; x *= 1.003f) {
    inputs.push_back(x);
    inputs.push_back(-x);
  }
  for (const Activation f : kActivations) {
    std::vector<float> actual = inputs;
    activate(context(), f, {actual.data(), 1, static_cast<std::int64_t>(actual.size())});
    std::vector<double> expected, bound;
    for (const float x : inputs) {
      expected.push_back(exact(f, x));
      bound.push_back(4 * ulp(expected.back()) + kUnit * std::abs(x));
    }
    EXPECT_TRUE(within_bound(actual, expected, bound)) << "activation " << static_cast<int>(f);
  }
}

TEST_P(Elementwise, GivesAnActivationTheSameBitsAtEveryPlace) {
  const auto values = normal_values(100, 3);
  for (const Activation f : kActivations) {
    std::vector<float> all = values;
    activate(context(), f, {all.data(), 1, 100});
    for (std::size_t first = 0; first < 100; first += 7) {
      for (std::size_t count = 1; first + count <= 100; count += 5) {
        std::vector<float> part(values.begin() + static_cast<std::ptrdiff_t>(first),
                                values.begin() + static_cast<std::ptrdiff_t>(first + count));
        activate(context(), f, {part.data(), 1, static_cast<std::int64_t>(count)});
        ASSERT_TRUE(same_bits(part, std::span(all).subspan(first, count)));
      }
    }
  }
}

TEST_P(Elementwise, GatesByTheProductAlsoInPlace) {
  for (const Activation f : kActivations) {
    const auto gate = normal_values(300, 4);
    const auto up = normal_values(300, 5);
    std::vector<float> activated = gate;
    activate(context(), f, {activated.data(), 3, 100});
    for (std::size_t i = 0; i < 300; ++i) activated[i] *= up[i];
    std::vector<float> out(300), onto_gate = gate, onto_up = up;
    gated_activation(context(), f, {gate.data(), 3, 100}, {up.data(), 3, 100}, {out.data(), 3, 100});
    gated_activation(context(), f, {onto_gate.data(), 3, 100}, {up.data(), 3, 100},
                     {onto_gate.data(), 3, 100});
    gated_activation(context(), f, {gate.data(), 3, 100}, {onto_up.data(), 3, 100}, {onto_up.data(), 3, 100});
    EXPECT_TRUE(same_bits(out, activated));
    EXPECT_TRUE(same_bits(onto_gate, activated));
    EXPECT_TRUE(same_bits(onto_up, activated));
  }
}

TEST_P(Elementwise, PassesNanOnFromActivationsAndNorms) {
  std::vector<float> x(20, 1.0f);
  x[17] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> weight(20, 1.0f);
  for (const Activation f : kActivations) {
    auto y = x;
    activate(context(), f, {y.data(), 1, 20});
    for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(std::isnan(y[i]), i == 17);
  }
  auto y = x;
  rms_norm(context(), {x.data(), 1, 20}, weight, 1e-5f, {y.data(), 1, 20});
  for (const float value : y) EXPECT_TRUE(std::isnan(value));
  layer_norm(context(), {x.data(), 1, 20}, weight, {}, 1e-5f, {y.data(), 1, 20});
  for (const float value : y) EXPECT_TRUE(std::isnan(value));
}

TEST_P(Elementwise, KeepsRmsNormWithinItsBoundAlsoInPlace) {
  for (const std::int64_t cols : kCounts) {
    const auto x = normal_values(3 * cols, 6);
    const auto weight = normal_values(cols, 7);
    std::vector<double> expected, bound;
    for (std::int64_t t = 0; t < 3; ++t) {
      double squares = 0;
      for (std::int64_t c = 0; c < cols; ++c) {
        squares += std::pow(static_cast<double>(x[static_cast<std::size_t>(t * cols + c)]), 2);
      }
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(cols) + static_cast<double>(1e-5f));
      for (std::int64_t c = 0; c < cols; ++c) {
        expected.push_back(x[static_cast<std::size_t>(t * cols + c)] * inverse *
                           weight[static_cast<std::size_t>(c)]);
        bound.push_back((static_cast<double>(cols) / 2 + 6) * kUnit * std::abs(expected.back()));
      }
    }
    std::vector<float> y(x.size()), in_place = x;
    rms_norm(context(), {x.data(), 3, cols}, weight, 1e-5f, {y.data(), 3, cols});
    rms_norm(context(), {in_place.data(), 3, cols}, weight, 1e-5f, {in_place.data(), 3, cols});
    EXPECT_TRUE(within_bound(y, expected, bound)) << cols;
    EXPECT_TRUE(same_bits(in_place, y)) << cols;
  }
}

TEST_P(Elementwise, KeepsLayerNormWithinItsBoundWithAndWithoutBias) {
  for (const std::int64_t cols : kCounts) {
    const auto x = normal_values(cols, 8);
    const auto weight = normal_values(cols, 9);
    const auto bias = normal_values(cols, 10);
    const auto n = static_cast<double>(cols);
    double mean = 0, magnitude = 0, squares = 0;
    for (const float v : x) mean += v / n, magnitude += std::abs(v) / n;
    for (const float v : x) squares += (v - mean) * (v - mean);
    const double inverse = 1 / std::sqrt(squares / n + static_cast<double>(1e-5f));
    const double mean_error = (n + 2) * kUnit * magnitude;
    for (const bool with_bias : {false, true}) {
      std::vector<double> expected, bound;
      for (std::size_t c = 0; c < x.size(); ++c) {
        const double slope = std::abs(weight[c]) * inverse;
        const double scaled = (x[c] - mean) * inverse * weight[c];
        expected.push_back(scaled + (with_bias ? bias[c] : 0.0f));
        const double relative = (n / 2 + 8) * kUnit + mean_error * mean_error * inverse * inverse;
        bound.push_back(slope * mean_error + relative * std::abs(scaled) + kUnit * std::abs(expected.back()));
      }
      std::vector<float> y(x.size());
      layer_norm(context(), {x.data(), 1, cols}, weight,
                 with_bias ? std::span<const float>(bias) : std::span<const float>(), 1e-5f,
                 {y.data(), 1, cols});
      EXPECT_TRUE(within_bound(y, expected, bound)) << cols;
    }
  }
}

TEST_P(Elementwise, RotatesTheFirstPartOfEachHeadAndLeavesTheRest) {
  constexpr std::pair<std::int64_t, std::int64_t> kDims[] = {{64, 64}, {20, 8}, {80, 32},
                                                             {6, 6},   {10, 2}, {96, 96}};
  for (const auto& [head_dim, rotary_dim] : kDims) {
    const std::int64_t cols = 3 * head_dim;
    const auto x = normal_values(4 * cols, 11);
    const auto angles = normal_values(4 * rotary_dim, 12);
    std::vector<double> expected(x.begin(), x.end()), bound(x.size(), 0.0);
    for (std::int64_t t = 0; t < 4; ++t) {
      for (std::int64_t h = 0; h < 3; ++h) {
        for (std::int64_t i = 0; i < rotary_dim / 2; ++i) {
          const auto at = static_cast<std::size_t>(t * cols + h * head_dim + i);
          const auto other = at + static_cast<std::size_t>(rotary_dim / 2);
          const double c = angles[static_cast<std::size_t>(t * rotary_dim + i)];
          const double s = angles[static_cast<std::size_t>(t * rotary_dim + rotary_dim / 2 + i)];
          expected[at] = x[at] * c - x[other] * s;
          expected[other] = x[other] * c + x[at] * s;
          bound[at] = 2.01 * kUnit * (std::abs(x[at] * c) + std::abs(x[other] * s));
          bound[other] = 2.01 * kUnit * (std::abs(x[other] * c) + std::abs(x[at] * s));
        }
      }
    }
    std::vector<float> actual = x;
    apply_rope(context(), {actual.data(), 4, cols}, head_dim, rotary_dim, {angles.data(), 4, rotary_dim});
    EXPECT_TRUE(within_bound(actual, expected, bound)) << head_dim;
  }
}

TEST_P(Elementwise, AddsElementByElementWithinTheViews) {
  for (const std::int64_t cols : kCounts) {
    const auto x = normal_values(2 * cols, 13);
    const auto start = normal_values(2 * (cols + 3), 14);
    auto y = start;
    add_in_place(context(), {x.data(), 2, cols}, {y.data(), 2, cols, cols + 3});
    for (std::int64_t t = 0; t < 2; ++t) {
      for (std::int64_t c = 0; c < cols + 3; ++c) {
        const auto at = static_cast<std::size_t>(t * (cols + 3) + c);
        EXPECT_EQ(y[at], c < cols ? start[at] + x[static_cast<std::size_t>(t * cols + c)] : start[at]);
      }
    }
  }
}

}  // namespace
}  // namespace assay
