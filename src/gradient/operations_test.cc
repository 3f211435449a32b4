#include "gradient/operations.h"

#include <cmath>

#include "gradient/gradient_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

// Elementwise: a few roundings and the error of exp or tanh.
constexpr double kElementBound = 16 * 0x1p-24;

TEST(GatedActivationGradient, EqualsCentralDifferencesForEveryActivation) {
  ThreadPool pool(2);
  const Matrix<float> gate = normal_matrix(3, 37, kGradientSeed, 2.0f),
                      up = normal_matrix(3, 37, kGradientSeed + 1),
                      dout = normal_matrix(3, 37, kGradientSeed + 2);
  for (const Activation f : {Activation::kSilu, Activation::kGeluTanh, Activation::kGeluErf}) {
    Matrix<float> dgate(3, 37), dup(3, 37);
    gated_activation_gradient(f, gate.view(), up.view(), dout.view(), dgate.view(), dup.view(), pool);
    for (std::size_t i = 0; i < gate.values().size(); ++i) {
      double g = gate.values()[i];
      const double d = dout.values()[i], u = up.values()[i];
      const double slope = central_difference(g, [&] { return reference_activation(f, g); });
      // 1 - tanh^2 and x times it cancel where the function is flat: relative to 1 + |x|.
      const double size = std::abs(d) * (1 + std::abs(g)) * (1 + std::abs(u));
      EXPECT_NEAR(dgate.values()[i], d * u * slope, kElementBound * size)
          << "seed " << kGradientSeed << ", gate " << g;
      EXPECT_NEAR(dup.values()[i], d * reference_activation(f, g), kElementBound * size)
          << "seed " << kGradientSeed << ", gate " << g;
    }
  }
}

TEST(RmsNormGradient, EqualsCentralDifferencesAndAddsToTheWeights) {
  ThreadPool pool(2);
  constexpr std::int64_t kRows = 131, kCols = 24;  // rows: more than two parts of the sum, the last one short
  constexpr float kEpsilon = 1e-3f;
  const Matrix<float> x = normal_matrix(kRows, kCols, kGradientSeed),
                      dy = normal_matrix(kRows, kCols, kGradientSeed + 1),
                      weight = normal_matrix(1, kCols, kGradientSeed + 2);
  Matrix<float> dx(kRows, kCols);
  std::vector<float> dweight(kCols, 1.0f);
  rms_norm_gradient(x.view(), weight.values(), kEpsilon, dy.view(), dx.view(), dweight, pool);
  DoubleMatrix xs = to_double(x), ws = to_double(weight);
  const auto loss_of_row = [&](std::size_t t) {
    double squares = 0, sum = 0;
    for (const double v : xs[t]) squares += v * v;
    for (std::size_t c = 0; c < kCols; ++c)
      sum += dy.at(static_cast<std::int64_t>(t), static_cast<std::int64_t>(c)) * xs[t][c] * ws[0][c];
    return sum / std::sqrt(squares / kCols + kEpsilon);
  };
  for (std::size_t t = 0; t < kRows; t += 13) {
    for (std::size_t c = 0; c < kCols; ++c) {
      const double expected = central_difference(xs[t][c], [&] { return loss_of_row(t); });
      EXPECT_NEAR(dx.at(static_cast<std::int64_t>(t), static_cast<std::int64_t>(c)), expected,
                  8 * kElementBound)
          << "seed " << kGradientSeed;
    }
  }
  for (std::size_t c = 0; c < kCols; ++c) {
    const double expected = central_difference(ws[0][c], [&] {
      double sum = 0;
      for (std::size_t t = 0; t < kRows; ++t) sum += loss_of_row(t);
      return sum;
    });
    EXPECT_NEAR(dweight[c], 1 + expected, kRows * kElementBound) << "seed " << kGradientSeed;
  }
}

TEST(RopeGradient, UndoesARotation) {
  ThreadPool pool(2);
  const KernelContext kernels{&select_kernels(detect_cpu_features()), &pool};
  const Matrix<float> x = normal_matrix(5, 2 * 12, kGradientSeed);
  Matrix<float> angles(5, 8), turned = x;
  for (std::int64_t t = 0; t < 5; ++t) {
    for (std::int64_t i = 0; i < 4; ++i) {
      angles.at(t, i) = std::cos(static_cast<float>(t * (i + 1)));
      angles.at(t, 4 + i) = std::sin(static_cast<float>(t * (i + 1)));
    }
  }
  apply_rope(kernels, turned.view(), 12, 8, angles.view());
  rope_gradient(kernels, turned.view(), 12, 8, angles.view());
  for (std::size_t i = 0; i < x.values().size(); ++i)
    EXPECT_NEAR(turned.values()[i], x.values()[i], 8 * 0x1p-24 * 4);
}

}  // namespace
}  // namespace assay
