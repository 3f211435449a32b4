// Scores and weighted values of one query and the softmax in terms of Simd. Include beside one simd_<isa>.h.
#pragma once
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/math_simd.h"

namespace assay {
namespace {

template <typename S>
typename S::Float load_values(const float* p) {
  return S::load(p);
}
template <typename S>
typename S::Float load_values(const std::uint16_t* p) {
  return S::from_halves(reinterpret_cast<const std::uint8_t*>(p));
}
// n < kLanes values, then zeros.
template <typename S>
typename S::Float load_values(const float* p, int n) {
  return S::load_first(p, n, 0.0f);
}
template <typename S>
typename S::Float load_values(const std::uint16_t* p, int n) {
  std::uint16_t values[S::kLanes] = {};
  for (int i = 0; i < n; ++i) values[i] = p[i];
  return load_values<S>(values);
}

// kKeys keys at once, so that their sums do not wait for each other. Of keys and values, T is float or an
// IEEE half's bits.
template <typename S, int kKeys, typename T>
void score_keys(const float* q, const T* keys, std::int64_t stride, std::int64_t head_dim, float* out) {
  typename S::Float sums[kKeys];
#pragma GCC unroll 8
  for (int j = 0; j < kKeys; ++j) sums[j] = S::set(0.0f);
  std::int64_t i = 0;
  for (; i + S::kLanes <= head_dim; i += S::kLanes) {
    const auto query = S::load(q + i);
#pragma GCC unroll 8
    for (int j = 0; j < kKeys; ++j) sums[j] = S::fma(query, load_values<S>(keys + j * stride + i), sums[j]);
  }
  if (i < head_dim) {
    const int rest = static_cast<int>(head_dim - i);
    const auto query = S::load_first(q + i, rest, 0.0f);
#pragma GCC unroll 8
    for (int j = 0; j < kKeys; ++j)
      sums[j] = S::fma(query, load_values<S>(keys + j * stride + i, rest), sums[j]);
  }
#pragma GCC unroll 8
  for (int j = 0; j < kKeys; ++j) out[j] = S::sum(sums[j]);
}

template <typename S, typename T>
void scores_simd(const float* q, const T* keys, std::int64_t stride, std::int64_t num_keys,
                 std::int64_t head_dim, float* out) {
  constexpr int kKeys = 8;
  std::int64_t j = 0;
  for (; j + kKeys <= num_keys; j += kKeys)
    score_keys<S, kKeys>(q, keys + j * stride, stride, head_dim, out + j);
  for (; j < num_keys; ++j) score_keys<S, 1>(q, keys + j * stride, stride, head_dim, out + j);
}

// kVectors vectors of columns, so that their sums do not wait for each other; the last one has `last`
// columns.
template <typename S, int kVectors, bool kPartial, typename T>
void weigh_columns(const float* p, const T* values, std::int64_t stride, std::int64_t num_keys, int last,
                   float* out) {
  typename S::Float sums[kVectors];
  const auto load = [last](const auto* from, int v) {
    if (kPartial && v == kVectors - 1) return load_values<S>(from + v * S::kLanes, last);
    return load_values<S>(from + v * S::kLanes);
  };
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) sums[v] = load(out, v);
  for (std::int64_t j = 0; j < num_keys; ++j) {
    const auto weight = S::set(p[j]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums[v] = S::fma(weight, load(values + j * stride, v), sums[v]);
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    if (kPartial && v == kVectors - 1) {
      S::store_first(out + v * S::kLanes, last, sums[v]);
    } else {
      S::store(out + v * S::kLanes, sums[v]);
    }
  }
}

template <typename S, typename T>
void weigh_simd(const float* p, const T* values, std::int64_t stride, std::int64_t num_keys,
                std::int64_t head_dim, float* out) {
  constexpr int kVectors = 8;
  std::int64_t c = 0;
  for (; c + kVectors * S::kLanes <= head_dim; c += kVectors * S::kLanes)
    weigh_columns<S, kVectors, false>(p, values + c, stride, num_keys, 0, out + c);
  for (; c + S::kLanes <= head_dim; c += S::kLanes)
    weigh_columns<S, 1, false>(p, values + c, stride, num_keys, 0, out + c);
  if (c < head_dim)
    weigh_columns<S, 1, true>(p, values + c, stride, num_keys, static_cast<int>(head_dim - c), out + c);
}

template <typename S>
void to_halves_simd(const float* x, std::int64_t count, std::uint16_t* out) {
  const auto largest = S::set(kLargestHalf), smallest = S::set(-kLargestHalf);
  const auto clamp = [&](auto v) { return S::min(largest, S::max(smallest, v)); };
  std::int64_t i = 0;
  for (; i + S::kLanes <= count; i += S::kLanes) S::to_halves(out + i, clamp(S::load(x + i)));
  if (i == count) return;
  std::uint16_t rest[S::kLanes];
  S::to_halves(rest, clamp(S::load_first(x + i, static_cast<int>(count - i), 0.0f)));
  for (int j = 0; j < count - i; ++j) out[i + j] = rest[j];
}

template <typename S>
void softmax_simd(const SoftmaxRow& row) {
  float* s = row.s;
  const std::int64_t count = row.count;
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
}

// Queries lie in the lanes. kMasked: some key is hidden from some of these.
template <typename S, bool kMasked>
void softmax_lanes(const SoftmaxBlock& b, std::int64_t first) {
  const auto scale = S::set(b.scale), cap = S::set(b.softcap), zero = S::set(0.0f),
             nothing = S::set(kNothingSeen);
  const auto begin = S::load(b.begin + first), end = S::load(b.end + first);
  const auto if_visible = [&](std::int64_t j, auto then, auto otherwise) {
    if constexpr (!kMasked) return then;
    const auto key = S::set(static_cast<float>(j));
    return S::if_less(key, begin, otherwise, S::if_less(key, end, then, otherwise));
  };
  const auto before = S::load(b.largest + first);
  auto largest = before;
  float* s = b.s + first;
  for (std::int64_t j = 0; j < b.num_keys; ++j) {
    auto score = S::mul(S::load(s + j * b.stride), scale);
    if (b.softcap > 0) score = S::mul(cap, tanh_simd<S>(S::div(score, cap)));
    S::store(s + j * b.stride, score);
    largest = S::max(largest, if_visible(j, score, nothing));
  }
  auto sum = zero;
  for (std::int64_t j = 0; j < b.num_keys; ++j) {
    const auto power = if_visible(j, exp_simd<S>(S::sub(S::load(s + j * b.stride), largest)), zero);
    S::store(s + j * b.stride, power);
    sum = S::add(sum, power);
  }
  const auto factor = exp_simd<S>(S::sub(before, largest));
  S::store(b.factor + first, factor);
  S::store(b.sum + first, S::fma(factor, S::load(b.sum + first), sum));
  S::store(b.largest + first, largest);
}

template <typename S>
void softmax_block_simd(const SoftmaxBlock& b) {
  for (std::int64_t first = 0; first < b.num_queries; first += S::kLanes) {
    bool masked = false;
    for (int i = 0; i < S::kLanes; ++i)
      masked = masked || b.begin[first + i] > 0 || b.end[first + i] < static_cast<float>(b.num_keys);
    if (masked) {
      softmax_lanes<S, true>(b, first);
    } else {
      softmax_lanes<S, false>(b, first);
    }
  }
}

template <typename S>
void scale_simd(const float* x, float factor, std::int64_t count, float* y) {
  const auto by = S::set(factor);
  std::int64_t i = 0;
  for (; i + S::kLanes <= count; i += S::kLanes) S::store(y + i, S::mul(by, S::load(x + i)));
  if (i == count) return;
  const int rest = static_cast<int>(count - i);
  S::store_first(y + i, rest, S::mul(by, S::load_first(x + i, rest, 0.0f)));
}

template <typename S>
void use_attention(KernelTable& table) {
  table.scores = scores_simd<S, float>;
  table.weigh = weigh_simd<S, float>;
  table.scores_halves = scores_simd<S, std::uint16_t>;
  table.weigh_halves = weigh_simd<S, std::uint16_t>;
  table.to_halves = to_halves_simd<S>;
  table.softmax = softmax_simd<S>;
  table.softmax_block = softmax_block_simd<S>;
  table.scale = scale_simd<S>;
}

}  // namespace
}  // namespace assay
