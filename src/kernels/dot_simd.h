// Matrix-vector products in terms of Simd: the float formats as they are read, packed formats by way of a
// part of a row that stays in the first cache.
#pragma once
#include <cstdint>
#include <utility>

#include "kernels/dequantize_simd.h"

namespace assay {
namespace {

// sum_i values(i) x[i] over `count` values; values gives kLanes of them, or fewer and zeros. begin_round(i)
// is told which values come next.
template <typename S, typename Load, typename Begin>
typename S::Float dot_values(const float* x, std::int64_t count, Load values, Begin begin_round) {
  constexpr int kSums = 4;  // a multiply-add takes 4 cycles
  typename S::Float sums[kSums];
#pragma GCC unroll 4
  for (int j = 0; j < kSums; ++j) sums[j] = S::set(0.0f);
  std::int64_t i = 0;
  for (; i + kSums * S::kLanes <= count; i += kSums * S::kLanes) {
    begin_round(i);
#pragma GCC unroll 4
    for (int j = 0; j < kSums; ++j) {
      const std::int64_t at = i + j * S::kLanes;
      sums[j] = S::fma(values(at), S::load(x + at), sums[j]);
    }
  }
  for (; i + S::kLanes <= count; i += S::kLanes) sums[0] = S::fma(values(i), S::load(x + i), sums[0]);
  auto total = S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]));
  return total;
}

// The last, incomplete vector of a row of plain floats; x is padded with zeros.
template <typename S, int kBytes, typename Convert>
typename S::Float dot_rest(const std::uint8_t* in, const float* x, std::int64_t count, Convert convert) {
  const std::int64_t done = count / S::kLanes * S::kLanes;
  if (done == count) return S::set(0.0f);
  std::uint8_t rest[kBytes * S::kLanes] = {};
  std::memcpy(rest, in + done * kBytes, static_cast<std::size_t>(count - done) * kBytes);
  return S::mul(convert(rest), S::load(x + done));
}

template <typename S, WeightFormat kFormat>
void dot_plain(const WeightRows& w, std::int64_t begin, std::int64_t end, const VectorInput& x, float* y) {
  constexpr int kBytes = kFormat == WeightFormat::kF32 ? 4 : 2;
  const auto convert = [](const std::uint8_t* p) {
    if constexpr (kFormat == WeightFormat::kF32) {
      return S::load(reinterpret_cast<const float*>(p));
    } else {
      return kFormat == WeightFormat::kF16 ? S::from_halves(p) : S::from_brains(p);
    }
  };
  for (std::int64_t r = begin; r < end; ++r) {
    const std::uint8_t* row = w.data + r * w.row_bytes;
    const auto prefetch = [row](std::int64_t i) {
#pragma GCC unroll 4
      for (int at = 0; at < 4 * S::kLanes * kBytes; at += 64)
        __builtin_prefetch(row + kBytes * i + S::kPrefetchBytes + at);
    };
    const auto values = [&](std::int64_t i) { return convert(row + kBytes * i); };
    const auto whole = dot_values<S>(x.x, w.cols, values, prefetch);
    y[r] = S::sum(S::add(whole, dot_rest<S, kBytes>(row, x.x, w.cols, convert)));
  }
}

// Through the row's float values, 1024 at a time.
template <typename S, int kFormat>
void dot_dequantized(const WeightRows& w, std::int64_t begin, std::int64_t end, const VectorInput& x,
                     float* y) {
  KernelTable table;
  use_dequantize<S>(table);
  const DequantizeFn dequantize = table.dequantize[kFormat];
  constexpr std::int64_t kPart = 1024;
  alignas(64) float part[kPart + S::kLanes];
  for (std::int64_t r = begin; r < end; ++r) {
    auto total = S::set(0.0f);
    for (std::int64_t c = 0; c < w.cols; c += kPart) {
      const std::int64_t count = w.cols - c < kPart ? w.cols - c : kPart;
      dequantize(w, r, c, c + count, part);
      // x is padded with zeros; what is multiplied with them must be finite.
      S::store(part + count, S::set(0.0f));
      const std::int64_t padded = (count + S::kLanes - 1) / S::kLanes * S::kLanes;
      const auto values = [&](std::int64_t i) { return S::load(part + i); };
      total = S::add(total, dot_values<S>(x.x + c, padded, values, [](std::int64_t) {}));
    }
    y[r] = S::sum(total);
  }
}

template <typename S, int... kFormats>
void set_dequantized_dots(KernelTable& table, std::integer_sequence<int, kFormats...>) {
  ((table.dot[kFormats] = dot_dequantized<S, kFormats>), ...);
}

template <typename S>
void use_dots(KernelTable& table) {
  set_dequantized_dots<S>(table, std::make_integer_sequence<int, kNumWeightFormats>());
  table.dot[static_cast<int>(WeightFormat::kF32)] = dot_plain<S, WeightFormat::kF32>;
  table.dot[static_cast<int>(WeightFormat::kF16)] = dot_plain<S, WeightFormat::kF16>;
  table.dot[static_cast<int>(WeightFormat::kBF16)] = dot_plain<S, WeightFormat::kBF16>;
}

}  // namespace
}  // namespace assay
