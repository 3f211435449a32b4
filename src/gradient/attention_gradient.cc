#include "gradient/attention_gradient.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr std::int64_t kQueryBlock = 128;

struct Scratch {
  std::vector<float> probabilities;  // (kQueryBlock, T)
  std::vector<float> slopes;         // of the soft-cap; empty where there is none
  std::vector<float> gradients;      // of the probabilities, then of the scores
};

struct Head {
  MatrixView<const float> q, k, v, dout;
  MatrixView<float> dq, dk, dv;
};

Head head_of(const AttentionGradientTask& task, const AttentionShape& shape, std::int64_t head) {
  const std::int64_t dim = shape.head_dim, kv = head / (shape.num_heads / shape.num_kv_heads);
  const std::int64_t begin = head * dim, kv_begin = kv * dim;
  return {
      task.queries.cols_between(begin, begin + dim),      task.keys.cols_between(kv_begin, kv_begin + dim),
      task.values.cols_between(kv_begin, kv_begin + dim), task.dout.cols_between(begin, begin + dim),
      task.dqueries.cols_between(begin, begin + dim),     task.dkeys.cols_between(kv_begin, kv_begin + dim),
      task.dvalues.cols_between(kv_begin, kv_begin + dim)};
}

// out = factor * op(a) op(b), onto what out holds where `beta` is 1.
void product(CBLAS_TRANSPOSE a_op, const float* a, std::int64_t a_stride, CBLAS_TRANSPOSE b_op,
             const float* b, std::int64_t b_stride, std::int64_t rows, std::int64_t cols, std::int64_t depth,
             float factor, float beta, float* out, std::int64_t out_stride) {
  cblas_sgemm(CblasRowMajor, a_op, b_op, static_cast<int>(rows), static_cast<int>(cols),
              static_cast<int>(depth), factor, a, static_cast<int>(a_stride), b, static_cast<int>(b_stride),
              beta, out, static_cast<int>(out_stride));
}

// Turns the scaled scores of one query into probabilities over the `count` keys that it sees.
void make_probabilities(const KernelTable& table, float softcap, float* scores, float* slopes,
                        std::int64_t count) {
  if (softcap > 0) {
    for (std::int64_t j = 0; j < count; ++j) {
      const float t = std::tanh(scores[j] / softcap);
      slopes[j] = 1.0f - t * t;
      scores[j] = softcap * t;
    }
  }
  table.softmax({scores, count, 1.0f, 0.0f});
}

// Queries [begin, end) of one head: their probabilities again, then everything that depends on them.
void add_query_block(const KernelTable& table, const AttentionShape& shape, const Head& head,
                     std::int64_t begin, std::int64_t end, Scratch& scratch) {
  const std::int64_t rows = end - begin, dim = shape.head_dim;
  const std::int64_t first = shape.window > 0 ? std::max<std::int64_t>(0, begin - shape.window + 1) : 0;
  const std::int64_t keys = end - first;  // those from `first` on that any of the queries sees
  float *p = scratch.probabilities.data(), *ds = scratch.gradients.data();
  product(CblasNoTrans, head.q.row(begin), head.q.stride, CblasTrans, head.k.row(first), head.k.stride, rows,
          keys, dim, shape.scale, 0.0f, p, keys);
  for (std::int64_t i = 0; i < rows; ++i) {
    float* row = p + i * keys;
    const std::int64_t own = begin + i - first;
    const std::int64_t seen_from = shape.window > 0 ? std::max<std::int64_t>(0, own - shape.window + 1) : 0;
    std::fill(row, row + seen_from, 0.0f);
    std::fill(row + own + 1, row + keys, 0.0f);
    float* slopes = shape.softcap > 0 ? scratch.slopes.data() + i * keys + seen_from : nullptr;
    make_probabilities(table, shape.softcap, row + seen_from, slopes, own + 1 - seen_from);
  }
  product(CblasTrans, p, keys, CblasNoTrans, head.dout.row(begin), head.dout.stride, keys, dim, rows, 1.0f,
          1.0f, head.dv.row(first), head.dv.stride);
  product(CblasNoTrans, head.dout.row(begin), head.dout.stride, CblasTrans, head.v.row(first), head.v.stride,
          rows, keys, dim, 1.0f, 0.0f, ds, keys);
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* row = p + i * keys;
    float* d = ds + i * keys;
    double mean = 0;
    for (std::int64_t j = 0; j < keys; ++j) mean += static_cast<double>(row[j]) * d[j];
    const auto along = static_cast<float>(mean);
    for (std::int64_t j = 0; j < keys; ++j) d[j] = row[j] * (d[j] - along);
    if (shape.softcap > 0) {
      const float* slopes = scratch.slopes.data() + i * keys;
      for (std::int64_t j = 0; j < keys; ++j) d[j] = row[j] > 0 ? d[j] * slopes[j] : 0.0f;
    }
  }
  product(CblasNoTrans, ds, keys, CblasNoTrans, head.k.row(first), head.k.stride, rows, dim, keys,
          shape.scale, 0.0f, head.dq.row(begin), head.dq.stride);
  product(CblasTrans, ds, keys, CblasNoTrans, head.q.row(begin), head.q.stride, keys, dim, rows, shape.scale,
          1.0f, head.dk.row(first), head.dk.stride);
}

// All query heads that share one head of keys and values, so that nobody else adds to its gradients.
void differentiate_kv_head(const KernelTable& table, const AttentionShape& shape,
                           const AttentionGradientTask& task, std::int64_t kv_head, Scratch& scratch) {
  const std::int64_t sharing = shape.num_heads / shape.num_kv_heads, length = task.queries.rows;
  scratch.probabilities.resize(static_cast<std::size_t>(kQueryBlock * length));
  scratch.gradients.resize(scratch.probabilities.size());
  if (shape.softcap > 0) scratch.slopes.resize(scratch.probabilities.size());
  for (std::int64_t i = 0; i < sharing; ++i) {
    const Head head = head_of(task, shape, kv_head * sharing + i);
    if (i == 0) {
      for (std::int64_t t = 0; t < length; ++t) {
        std::fill_n(head.dk.row(t), shape.head_dim, 0.0f);
        std::fill_n(head.dv.row(t), shape.head_dim, 0.0f);
      }
    }
    for (std::int64_t begin = 0; begin < length; begin += kQueryBlock)
      add_query_block(table, shape, head, begin, std::min(begin + kQueryBlock, length), scratch);
  }
}

}  // namespace

void attention_gradient(const KernelContext& context, const AttentionShape& shape,
                        std::span<const AttentionGradientTask> tasks) {
  ASSAY_CHECK(openblas_get_num_threads() == 1);
  const std::int64_t count = static_cast<std::int64_t>(tasks.size()) * shape.num_kv_heads;
  std::vector<Scratch> scratch(static_cast<std::size_t>(context.pool->num_threads()));
  context.pool->take_turns(count, [&](std::int64_t i, int thread) {
    const auto& task = tasks[static_cast<std::size_t>(i / shape.num_kv_heads)];
    ASSAY_CHECK(task.keys.rows == task.queries.rows && task.values.rows == task.queries.rows);
    differentiate_kv_head(*context.table, shape, task, i % shape.num_kv_heads,
                          scratch[static_cast<std::size_t>(thread)]);
  });
}

}  // namespace assay
