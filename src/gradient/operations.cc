#include "gradient/operations.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace assay {
namespace {

// Rows whose contributions to a norm's weight are summed before the sums are added up: a fixed number, since
// the order of a sum is part of its bits.
constexpr std::int64_t kNormRows = 32;

constexpr float kSqrtHalf = 0.70710678f;
constexpr float kInverseSqrtTwoPi = 0.39894228f;
constexpr float kSqrtTwoOverPi = 0.79788456f;
constexpr float kGeluCubic = 0.044715f;

struct ValueAndSlope {
  float value, slope;
};

ValueAndSlope silu(float x) {
  const float sigmoid = 1.0f / (1.0f + std::exp(-x));
  return {x * sigmoid, sigmoid * (1.0f + x * (1.0f - sigmoid))};
}

ValueAndSlope gelu_tanh(float x) {
  const float t = std::tanh(kSqrtTwoOverPi * (x + kGeluCubic * x * x * x));
  const float inner_slope = kSqrtTwoOverPi * (1.0f + 3.0f * kGeluCubic * x * x);
  return {0.5f * x * (1.0f + t), 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner_slope};
}

ValueAndSlope gelu_erf(float x) {
  const float cumulative = 0.5f * (1.0f + std::erf(x * kSqrtHalf));
  return {x * cumulative, cumulative + x * kInverseSqrtTwoPi * std::exp(-0.5f * x * x)};
}

template <typename F>
void gated_rows(F f, MatrixView<const float> gate, MatrixView<const float> up, MatrixView<const float> dout,
                MatrixView<float> dgate, MatrixView<float> dup, ThreadPool& pool) {
  pool.parallel_for(gate.rows, 1, [&](WorkRange range) {
    for (std::int64_t t = range.begin; t < range.end; ++t) {
      const float *g = gate.row(t), *u = up.row(t), *d = dout.row(t);
      float *dg = dgate.row(t), *du = dup.row(t);
      for (std::int64_t c = 0; c < gate.cols; ++c) {
        const ValueAndSlope at = f(g[c]);
        dg[c] = d[c] * u[c] * at.slope;
        du[c] = d[c] * at.value;
      }
    }
  });
}

}  // namespace

void rms_norm_gradient(MatrixView<const float> x, std::span<const float> weight, float epsilon,
                       MatrixView<const float> dy, MatrixView<float> dx, std::span<float> dweight,
                       ThreadPool& pool) {
  const std::int64_t n = x.cols;
  ASSAY_CHECK(dy.rows == x.rows && dy.cols == n && dx.rows == x.rows && dx.cols == n);
  ASSAY_CHECK(static_cast<std::int64_t>(weight.size()) == n &&
              static_cast<std::int64_t>(dweight.size()) == n);
  const std::int64_t parts = (x.rows + kNormRows - 1) / kNormRows;
  Matrix<float> partial(parts, n);
  pool.parallel_for(parts, 1, [&](WorkRange range) {
    for (std::int64_t part = range.begin; part < range.end; ++part) {
      float* sum = partial.row(part);
      for (std::int64_t t = part * kNormRows; t < std::min(x.rows, (part + 1) * kNormRows); ++t) {
        const float *xt = x.row(t), *dyt = dy.row(t);
        double squares = 0, along = 0;
        for (std::int64_t c = 0; c < n; ++c) {
          squares += static_cast<double>(xt[c]) * xt[c];
          along += static_cast<double>(xt[c]) * (dyt[c] * weight[static_cast<std::size_t>(c)]);
        }
        const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(n) + epsilon);
        const auto r = static_cast<float>(inverse);
        const auto back = static_cast<float>(along * inverse * inverse * inverse / static_cast<double>(n));
        float* dxt = dx.row(t);
        for (std::int64_t c = 0; c < n; ++c) {
          const float d = dyt[c];
          sum[c] += d * xt[c] * r;
          dxt[c] = r * weight[static_cast<std::size_t>(c)] * d - back * xt[c];
        }
      }
    }
  });
  for (std::int64_t part = 0; part < parts; ++part) {
    for (std::int64_t c = 0; c < n; ++c) dweight[static_cast<std::size_t>(c)] += partial.at(part, c);
  }
}

void rope_gradient(const KernelContext& context, MatrixView<float> dx, std::int64_t head_dim,
                   std::int64_t rotary_dim, MatrixView<const float> angles) {
  Matrix<float> back(angles.rows, rotary_dim);
  for (std::int64_t t = 0; t < angles.rows; ++t) {
    const float* from = angles.row(t);
    float* to = back.row(t);
    const std::int64_t half = rotary_dim / 2;
    for (std::int64_t i = 0; i < half; ++i) {
      to[i] = from[i];
      to[half + i] = -from[half + i];
    }
  }
  apply_rope(context, dx, head_dim, rotary_dim, back.view());
}

void gated_activation_gradient(Activation f, MatrixView<const float> gate, MatrixView<const float> up,
                               MatrixView<const float> dout, MatrixView<float> dgate, MatrixView<float> dup,
                               ThreadPool& pool) {
  ASSAY_CHECK(f != Activation::kRelu && up.rows == gate.rows && up.cols == gate.cols);
  switch (f) {
    case Activation::kSilu:
      return gated_rows(silu, gate, up, dout, dgate, dup, pool);
    case Activation::kGeluTanh:
      return gated_rows(gelu_tanh, gate, up, dout, dgate, dup, pool);
    default:
      return gated_rows(gelu_erf, gate, up, dout, dgate, dup, pool);
  }
}

}  // namespace assay
