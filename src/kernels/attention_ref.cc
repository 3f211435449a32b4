// Plain scores and softmax.
#include <algorithm>
#include <cmath>

#include "kernels/kernel_table.h"

namespace assay {
namespace {

void scores(const float* q, const float* keys, std::int64_t stride, std::int64_t num_keys,
            std::int64_t head_dim, float* out) {
  for (std::int64_t j = 0; j < num_keys; ++j) {
    float sum = 0;
    for (std::int64_t i = 0; i < head_dim; ++i) sum += q[i] * keys[j * stride + i];
    out[j] = sum;
  }
}

void softmax(const SoftmaxRow& row) {
  float* s = row.s;
  float largest = -INFINITY;
  for (std::int64_t j = row.begin; j < row.end; ++j) {
    s[j] *= row.scale;
    if (row.softcap > 0) s[j] = row.softcap * std::tanh(s[j] / row.softcap);
    largest = std::max(largest, s[j]);
  }
  double sum = 0;
  for (std::int64_t j = row.begin; j < row.end; ++j) {
    s[j] = static_cast<float>(std::exp(static_cast<double>(s[j]) - largest));
    sum += s[j];
  }
  const auto inverse = static_cast<float>(1.0 / sum);
  for (std::int64_t j = row.begin; j < row.end; ++j) s[j] *= inverse;
  std::fill(s, s + row.begin, 0.0f);
  std::fill(s + row.end, s + row.num_keys, 0.0f);
}

}  // namespace

void use_attention_reference(KernelTable& table) {
  table.scores = scores;
  table.softmax = softmax;
}

}  // namespace assay
