// Plain scores and softmax.
#include <algorithm>
#include <cmath>

#include "kernels/kernel_table.h"
#include "tensor/float16.h"

namespace assay {
namespace {

float value_of(float value) { return value; }
float value_of(std::uint16_t half) { return to_float(Float16{half}); }

template <typename T>
void scores(const float* q, const T* keys, std::int64_t stride, std::int64_t num_keys, std::int64_t head_dim,
            float* out) {
  for (std::int64_t j = 0; j < num_keys; ++j) {
    float sum = 0;
    for (std::int64_t i = 0; i < head_dim; ++i) sum += q[i] * value_of(keys[j * stride + i]);
    out[j] = sum;
  }
}

template <typename T>
void weigh(const float* p, const T* values, std::int64_t stride, std::int64_t num_keys, std::int64_t head_dim,
           float* out) {
  for (std::int64_t j = 0; j < num_keys; ++j) {
    for (std::int64_t c = 0; c < head_dim; ++c) out[c] += p[j] * value_of(values[j * stride + c]);
  }
}

void to_halves(const float* x, std::int64_t count, std::uint16_t* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    // Written so that NaN passes.
    const float value = x[i] > kLargestHalf ? kLargestHalf : x[i] < -kLargestHalf ? -kLargestHalf : x[i];
    out[i] = to_float16(value).bits;
  }
}

float scaled(float score, float scale, float softcap) {
  score *= scale;
  return softcap > 0 ? softcap * std::tanh(score / softcap) : score;
}

void softmax(const SoftmaxRow& row) {
  float* s = row.s;
  float largest = -INFINITY;
  for (std::int64_t j = 0; j < row.count; ++j) {
    s[j] = scaled(s[j], row.scale, row.softcap);
    largest = std::max(largest, s[j]);
  }
  double sum = 0;
  for (std::int64_t j = 0; j < row.count; ++j) {
    s[j] = static_cast<float>(std::exp(static_cast<double>(s[j]) - largest));
    sum += s[j];
  }
  const auto inverse = static_cast<float>(1.0 / sum);
  for (std::int64_t j = 0; j < row.count; ++j) s[j] *= inverse;
}

void softmax_block(const SoftmaxBlock& b) {
  for (std::int64_t i = 0; i < b.num_queries; ++i) {
    const auto begin = static_cast<std::int64_t>(b.begin[i]), end = static_cast<std::int64_t>(b.end[i]);
    float largest = b.largest[i];
    for (std::int64_t j = begin; j < end; ++j) {
      float& s = b.s[j * b.stride + i];
      s = scaled(s, b.scale, b.softcap);
      largest = std::max(largest, s);
    }
    const auto power = [&](float s) {
      return std::exp(static_cast<double>(s) - static_cast<double>(largest));
    };
    double sum = 0;
    for (std::int64_t j = 0; j < b.num_keys; ++j) {
      float& s = b.s[j * b.stride + i];
      s = j >= begin && j < end ? static_cast<float>(power(s)) : 0.0f;
      sum += s;
    }
    b.factor[i] = static_cast<float>(power(b.largest[i]));
    b.sum[i] = static_cast<float>(b.factor[i] * static_cast<double>(b.sum[i]) + sum);
    b.largest[i] = largest;
  }
}

void scale(const float* x, float factor, std::int64_t count, float* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = factor * x[i];
}

}  // namespace

void use_attention_reference(KernelTable& table) {
  table.scores = scores<float>;
  table.weigh = weigh<float>;
  table.scores_halves = scores<std::uint16_t>;
  table.weigh_halves = weigh<std::uint16_t>;
  table.to_halves = to_halves;
  table.softmax = softmax;
  table.softmax_block = softmax_block;
  table.scale = scale;
}

}  // namespace assay
