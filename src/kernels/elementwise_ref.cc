// Plain normalization, rotary embedding, activations and addition. Sums and functions go through double, so
// that the reference is as good as its float result allows.
#include <cmath>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

void rms_norm(const float* x, const float* weight, std::int64_t cols, float epsilon, float* y) {
  double sum = 0;
  for (std::int64_t c = 0; c < cols; ++c) sum += static_cast<double>(x[c]) * x[c];
  const auto inverse = static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(cols) + epsilon));
  for (std::int64_t c = 0; c < cols; ++c) y[c] = x[c] * inverse * weight[c];
}

void layer_norm(const float* x, const float* weight, const float* bias, std::int64_t cols, float epsilon,
                float* y) {
  double sum = 0;
  for (std::int64_t c = 0; c < cols; ++c) sum += x[c];
  const double mean = sum / static_cast<double>(cols);
  double squares = 0;
  for (std::int64_t c = 0; c < cols; ++c) squares += (x[c] - mean) * (x[c] - mean);
  const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(cols) + epsilon);
  for (std::int64_t c = 0; c < cols; ++c) {
    y[c] = static_cast<float>((x[c] - mean) * inverse * weight[c] + (bias != nullptr ? bias[c] : 0.0f));
  }
}

void rope(float* x, std::int64_t num_heads, std::int64_t head_dim, std::int64_t rotary_dim,
          const float* angles) {
  const std::int64_t half = rotary_dim / 2;
  for (std::int64_t h = 0; h < num_heads; ++h, x += head_dim) {
    for (std::int64_t i = 0; i < half; ++i) {
      const float cosine = angles[i];
      const float sine = angles[half + i];
      const float first = x[i];
      const float second = x[i + half];
      x[i] = first * cosine - second * sine;
      x[i + half] = second * cosine + first * sine;
    }
  }
}

double silu(double x) { return x / (1.0 + std::exp(-x)); }
double gelu_tanh(double x) {
  return 0.5 * x * (1.0 + std::tanh(0.7978845608028653559 * (x + 0.044715 * x * x * x)));
}
double gelu_erf(double x) { return 0.5 * x * std::erfc(-x * 0.70710678118654752440); }
double relu(double x) { return x < 0 ? 0 : x; }

template <double (*kFunction)(double)>
void activate(const float* gate, const float* up, std::int64_t count, float* out) {
  for (std::int64_t c = 0; c < count; ++c) {
    const auto value = static_cast<float>(kFunction(gate[c]));
    out[c] = up != nullptr ? value * up[c] : value;
  }
}

void add(const float* x, std::int64_t count, float* y) {
  for (std::int64_t c = 0; c < count; ++c) y[c] += x[c];
}

}  // namespace

void use_elementwise_reference(KernelTable& table) {
  table.rms_norm = rms_norm;
  table.layer_norm = layer_norm;
  table.rope = rope;
  table.activate[0] = activate<silu>;
  table.activate[1] = activate<gelu_tanh>;
  table.activate[2] = activate<gelu_erf>;
  table.activate[3] = activate<relu>;
  table.add = add;
}

}  // namespace assay
