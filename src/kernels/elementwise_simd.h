// Normalization, rotary embedding, activations and addition in terms of Simd. Include beside one
// simd_<isa>.h.
#pragma once
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/math_simd.h"

namespace assay {
namespace {

// The values c, c + 1, ... of an array of `count`: a whole vector, or the rest of it.
template <typename S>
typename S::Float load_from(const float* p, std::int64_t c, std::int64_t count) {
  return count - c >= S::kLanes ? S::load(p + c) : S::load_first(p + c, static_cast<int>(count - c), 0.0f);
}
template <typename S>
void store_to(float* p, std::int64_t c, std::int64_t count, typename S::Float v) {
  if (count - c >= S::kLanes) {
    S::store(p + c, v);
  } else {
    S::store_first(p + c, static_cast<int>(count - c), v);
  }
}

template <typename S>
void rms_norm_simd(const float* x, const float* weight, std::int64_t cols, float epsilon, float* y) {
  auto squares = S::set(0.0f);
  for (std::int64_t c = 0; c < cols; c += S::kLanes) {
    const auto v = load_from<S>(x, c, cols);
    squares = S::fma(v, v, squares);
  }
  const auto inverse = S::set(1.0f / __builtin_sqrtf(S::sum(squares) / static_cast<float>(cols) + epsilon));
  for (std::int64_t c = 0; c < cols; c += S::kLanes) {
    const auto v = S::mul(load_from<S>(x, c, cols), inverse);
    store_to<S>(y, c, cols, S::mul(v, load_from<S>(weight, c, cols)));
  }
}

template <typename S>
void layer_norm_simd(const float* x, const float* weight, const float* bias, std::int64_t cols, float epsilon,
                     float* y) {
  const auto count = static_cast<float>(cols);
  auto total = S::set(0.0f);
  for (std::int64_t c = 0; c < cols; c += S::kLanes) total = S::add(total, load_from<S>(x, c, cols));
  const float mean = S::sum(total) / count;
  const auto shift = S::set(mean);
  auto squares = S::set(0.0f);
  for (std::int64_t c = 0; c < cols; c += S::kLanes) {
    const auto v =
        cols - c >= S::kLanes ? S::load(x + c) : S::load_first(x + c, static_cast<int>(cols - c), mean);
    const auto centred = S::sub(v, shift);
    squares = S::fma(centred, centred, squares);
  }
  const auto inverse = S::set(1.0f / __builtin_sqrtf(S::sum(squares) / count + epsilon));
  for (std::int64_t c = 0; c < cols; c += S::kLanes) {
    const auto v = S::mul(S::sub(load_from<S>(x, c, cols), shift), inverse);
    const auto scaled = S::mul(v, load_from<S>(weight, c, cols));
    store_to<S>(y, c, cols, bias != nullptr ? S::add(scaled, load_from<S>(bias, c, cols)) : scaled);
  }
}

template <typename S>
void rope_simd(float* x, std::int64_t num_heads, std::int64_t head_dim, std::int64_t rotary_dim,
               const float* angles) {
  const std::int64_t half = rotary_dim / 2;
  for (std::int64_t h = 0; h < num_heads; ++h, x += head_dim) {
    for (std::int64_t i = 0; i < half; i += S::kLanes) {
      const auto cosine = load_from<S>(angles, i, half);
      const auto sine = load_from<S>(angles + half, i, half);
      const auto first = load_from<S>(x, i, half);
      const auto second = load_from<S>(x + half, i, half);
      store_to<S>(x, i, half, S::neg_fma(second, sine, S::mul(first, cosine)));
      store_to<S>(x + half, i, half, S::fma(first, sine, S::mul(second, cosine)));
    }
  }
}

struct Silu {
  template <typename S>
  static typename S::Float apply(typename S::Float x) {
    return S::div(x, S::add(S::set(1.0f), exp_simd<S>(S::sub(S::set(0.0f), x))));
  }
};

struct GeluTanh {  // x (1 + tanh(u)) / 2 = x / (1 + e^(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3)
  template <typename S>
  static typename S::Float apply(typename S::Float x) {
    const auto inner =
        S::fma(S::mul(x, x), S::set(-2.0f * 0.7978845608f * 0.044715f), S::set(-2.0f * 0.7978845608f));
    return S::div(x, S::add(S::set(1.0f), exp_simd<S>(S::mul(x, inner))));
  }
};

struct GeluErf {
  template <typename S>
  static typename S::Float apply(typename S::Float x) {
    return S::mul(x, normal_distribution_simd<S>(x));
  }
};

struct Relu {
  template <typename S>
  static typename S::Float apply(typename S::Float x) {
    return S::if_less(x, S::set(0.0f), S::set(0.0f), x);
  }
};

template <typename S, typename Function>
void activate_simd(const float* gate, const float* up, std::int64_t count, float* out) {
  for (std::int64_t c = 0; c < count; c += S::kLanes) {
    const auto value = Function::template apply<S>(load_from<S>(gate, c, count));
    store_to<S>(out, c, count, up != nullptr ? S::mul(value, load_from<S>(up, c, count)) : value);
  }
}

template <typename S>
void add_simd(const float* x, std::int64_t count, float* y) {
  for (std::int64_t c = 0; c < count; c += S::kLanes) {
    store_to<S>(y, c, count, S::add(load_from<S>(y, c, count), load_from<S>(x, c, count)));
  }
}

template <typename S>
void use_elementwise(KernelTable& table) {
  table.rms_norm = rms_norm_simd<S>;
  table.layer_norm = layer_norm_simd<S>;
  table.rope = rope_simd<S>;
  table.activate[0] = activate_simd<S, Silu>;
  table.activate[1] = activate_simd<S, GeluTanh>;
  table.activate[2] = activate_simd<S, GeluErf>;
  table.activate[3] = activate_simd<S, Relu>;
  table.add = add_simd<S>;
}

}  // namespace
}  // namespace assay
