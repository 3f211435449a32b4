// Exponential, hyperbolic tangent and the normal distribution function in terms of Simd. The polynomials are
// minimax fits of the relative error (Lawson's iteration on Chebyshev nodes), rounded to float; the errors
// given are theirs alone.
#pragma once
#include <cstdint>

namespace assay {
namespace {

// coefficients[0] + v coefficients[1] + ...
template <typename S, int kCount>
typename S::Float polynomial(typename S::Float v, const float (&coefficients)[kCount]) {
  auto sum = S::set(coefficients[kCount - 1]);
#pragma GCC unroll 16
  for (int i = kCount - 2; i >= 0; --i) sum = S::fma(sum, v, S::set(coefficients[i]));
  return sum;
}

// e^x = 2^n e^r, |r| <= ln 2 / 2. Below -105 it is 0, above 89 infinite; NaN stays NaN.
template <typename S>
typename S::Float exp_simd(typename S::Float x) {
  constexpr float kExp[] = {0x1p+0f,        0x1p+0f,        0x1.fffffap-2f, 0x1.55540ap-3f,  // 2^-26 relative
                            0x1.55589ap-5f, 0x1.126d1ap-7f, 0x1.6ab972p-10f};
  x = S::max(S::set(-105.0f), S::min(S::set(89.0f), x));
  const auto n = S::round(S::mul(x, S::set(0x1.715476p+0f)));
  // ln 2 in two parts, the first with so few bits that n times it is exact.
  auto r = S::neg_fma(n, S::set(0x1.62e4p-1f), x);
  r = S::neg_fma(n, S::set(0x1.7f7d1cp-20f), r);
  return S::times_power_of_two(polynomial<S>(r, kExp), n);
}

template <typename S>
typename S::Float tanh_simd(typename S::Float x) {
  constexpr float kTanh[] = {
      0x1p+0f,         -0x1.555524p-2f, 0x1.11058p-3f,  // 2^-26 relative for |x| <= 0.625
      -0x1.b8153ep-5f, 0x1.515cdcp-6f,  -0x1.72eedap-8f};
  const auto near = S::mul(x, polynomial<S>(S::mul(x, x), kTanh));
  const auto one = S::set(1.0f);
  const auto e = exp_simd<S>(S::mul(S::set(2.0f), S::abs(x)));
  const auto far = S::sub(one, S::div(S::set(2.0f), S::add(e, one)));
  return S::if_less(S::abs(x), S::set(0.625f), near, S::with_sign_of(far, x));
}

// (1 + erf(x / sqrt(2))) / 2
template <typename S>
typename S::Float normal_distribution_simd(typename S::Float x) {
  constexpr float kErf[] = {0x1.20dd74p+0f,  -0x1.81273ep-2f, 0x1.ce2cf8p-4f,
                            -0x1.b7f90ep-6f,                                    // erf(z) / z in z^2,
                            0x1.5405b2p-8f,  -0x1.a3f7p-11f,  0x1.496a3p-14f};  // 2^-23.7 for z <= 1
  constexpr float kErfc[] = {
      -0x1.13623ap-18f, 0x1.20f8e2p-2f, 0x1.1fbc08p-2f, 0x1.0309fp-2f,    // erfc(z) e^(z^2) in
      0x1.43aaccp-3f,   0x1.af7d6ep-4f, 0x1.9a8e1p-6f,  -0x1.7af5dcp-3f,  // 1 / (1 + z/2),
      0x1.4b541ep-4f};                                                    // 2^-26 for 1 <= z <= 10
  const auto half = S::set(0.5f);
  const auto one = S::set(1.0f);
  const auto z = S::mul(x, S::set(0x1.6a09e6p-1f));
  const auto magnitude = S::min(S::set(10.0f), S::abs(z));
  const auto square = S::mul(magnitude, magnitude);
  const auto near = S::fma(S::mul(half, z), polynomial<S>(square, kErf), half);
  // e^(-z^2) with the part of the square that did not fit.
  const auto lost = S::fma(magnitude, magnitude, S::sub(S::set(0.0f), square));
  auto e = exp_simd<S>(S::sub(S::set(0.0f), square));
  e = S::neg_fma(lost, e, e);
  const auto t = S::div(one, S::fma(half, magnitude, one));
  const auto tail = S::mul(S::mul(half, e), polynomial<S>(t, kErfc));
  const auto far = S::if_less(z, S::set(0.0f), tail, S::sub(one, tail));
  return S::if_less(magnitude, one, near, far);
}

}  // namespace
}  // namespace assay
