// Scores of one query and the softmax in terms of Simd. Include beside one simd_<isa>.h.
#pragma once
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/math_simd.h"

namespace assay {
namespace {

// kKeys keys at once, so that their sums do not wait for each other.
template <typename S, int kKeys>
void score_keys(const float* q, const float* keys, std::int64_t stride, std::int64_t head_dim, float* out) {
  typename S::Float sums[kKeys];
#pragma GCC unroll 8
  for (int j = 0; j < kKeys; ++j) sums[j] = S::set(0.0f);
  std::int64_t i = 0;
  for (; i + S::kLanes <= head_dim; i += S::kLanes) {
    const auto query = S::load(q + i);
#pragma GCC unroll 8
    for (int j = 0; j < kKeys; ++j) sums[j] = S::fma(query, S::load(keys + j * stride + i), sums[j]);
  }
  if (i < head_dim) {
    const int rest = static_cast<int>(head_dim - i);
    const auto query = S::load_first(q + i, rest, 0.0f);
#pragma GCC unroll 8
    for (int j = 0; j < kKeys; ++j)
      sums[j] = S::fma(query, S::load_first(keys + j * stride + i, rest, 0.0f), sums[j]);
  }
#pragma GCC unroll 8
  for (int j = 0; j < kKeys; ++j) out[j] = S::sum(sums[j]);
}

template <typename S>
void scores_simd(const float* q, const float* keys, std::int64_t stride, std::int64_t num_keys,
                 std::int64_t head_dim, float* out) {
  constexpr int kKeys = 8;
  std::int64_t j = 0;
  for (; j + kKeys <= num_keys; j += kKeys)
    score_keys<S, kKeys>(q, keys + j * stride, stride, head_dim, out + j);
  for (; j < num_keys; ++j) score_keys<S, 1>(q, keys + j * stride, stride, head_dim, out + j);
}

// Vectors are counted from the first visible key, so a row's bits do not depend on what else is in the array.
template <typename S>
void softmax_simd(const SoftmaxRow& row) {
  float* s = row.s + row.begin;
  const std::int64_t count = row.end - row.begin;
  const auto for_vectors = [&](auto body) {  // body returns what to store
    std::int64_t j = 0;
    for (; j + S::kLanes <= count; j += S::kLanes) S::store(s + j, body(S::load(s + j)));
    if (j == count) return;
    const int rest = static_cast<int>(count - j);
    S::store_first(s + j, rest, body(S::load_first(s + j, rest, -__builtin_inff())));
  };
  const auto scale = S::set(row.scale);
  auto largest = S::set(-__builtin_inff());
  if (row.softcap > 0) {
    const auto cap = S::set(row.softcap);
    for_vectors([&](auto v) { return S::mul(cap, tanh_simd<S>(S::div(S::mul(v, scale), cap))); });
    for_vectors([&](auto v) {
      largest = S::max(largest, v);
      return v;
    });
  } else {
    for_vectors([&](auto v) {
      v = S::mul(v, scale);
      largest = S::max(largest, v);
      return v;
    });
  }
  const auto shift = S::set(S::largest(largest));
  auto sums = S::set(0.0f);
  for_vectors([&](auto v) {
    v = exp_simd<S>(S::sub(v, shift));
    sums = S::add(sums, v);
    return v;
  });
  const auto inverse = S::set(1.0f / S::sum(sums));
  for_vectors([&](auto v) { return S::mul(v, inverse); });
  for (std::int64_t j = 0; j < row.begin; ++j) row.s[j] = 0.0f;
  for (std::int64_t j = row.end; j < row.num_keys; ++j) row.s[j] = 0.0f;
}

template <typename S>
void use_attention(KernelTable& table) {
  table.scores = scores_simd<S>;
  table.softmax = softmax_simd<S>;
}

}  // namespace
}  // namespace assay
