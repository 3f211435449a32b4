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
  MatrixView<float> dq;
};

Head head_of(const AttentionGradientTask& task, const AttentionShape& shape, std::int64_t head) {
  const std::int64_t dim = shape.head_dim, kv = head / (shape.num_heads / shape.num_kv_heads);
  const std::int64_t begin = head * dim, kv_begin = kv * dim;
  return {task.queries.cols_between(begin, begin + dim), task.keys.cols_between(kv_begin, kv_begin + dim),
          task.values.cols_between(kv_begin, kv_begin + dim), task.dout.cols_between(begin, begin + dim),
          task.dqueries.cols_between(begin, begin + dim)};
}

// Queries [begin, end) of one head of one task, which see the keys [first_key, end), and what they add to the
// gradients of these: rows of keys, then as many of values.
struct QueryBlock {
  const AttentionGradientTask* task;
  std::int64_t head, begin, end, first_key;
  Matrix<float> dkeys_and_values;

  std::int64_t num_keys() const { return end - first_key; }
  MatrixView<float> dkeys() { return dkeys_and_values.view().rows_between(0, num_keys()); }
  MatrixView<float> dvalues() { return dkeys_and_values.view().rows_between(num_keys(), 2 * num_keys()); }
};

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

// The block's probabilities again, then everything that depends on them.
void differentiate(const KernelTable& table, const AttentionShape& shape, QueryBlock& block,
                   Scratch& scratch) {
  const Head head = head_of(*block.task, shape, block.head);
  const std::int64_t begin = block.begin, rows = block.end - begin, dim = shape.head_dim;
  const std::int64_t first = block.first_key, keys = block.num_keys();
  scratch.probabilities.resize(static_cast<std::size_t>(kQueryBlock * keys));
  scratch.gradients.resize(scratch.probabilities.size());
  if (shape.softcap > 0) scratch.slopes.resize(scratch.probabilities.size());
  block.dkeys_and_values = Matrix<float>::unset(2 * keys, dim);
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
          0.0f, block.dvalues().data, dim);
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
          0.0f, block.dkeys().data, dim);
}

// Of all blocks, task by task and head by head.
std::vector<QueryBlock> cut_blocks(const AttentionShape& shape,
                                   std::span<const AttentionGradientTask> tasks) {
  std::vector<QueryBlock> blocks;
  for (const auto& task : tasks) {
    ASSAY_CHECK(task.keys.rows == task.queries.rows && task.values.rows == task.queries.rows);
    for (std::int64_t head = 0; head < shape.num_heads; ++head) {
      for (std::int64_t begin = 0; begin < task.queries.rows; begin += kQueryBlock) {
        const std::int64_t first = shape.window > 0 ? std::max<std::int64_t>(0, begin - shape.window + 1) : 0;
        blocks.push_back({&task, head, begin, std::min(begin + kQueryBlock, task.queries.rows), first, {}});
      }
    }
  }
  return blocks;
}

// Sums up what the blocks of all heads that share a head of keys and values give it.
void add_blocks(std::span<QueryBlock> blocks, const AttentionShape& shape, std::int64_t kv_head) {
  const AttentionGradientTask& task = *blocks.front().task;
  const std::int64_t dim = shape.head_dim, column = kv_head * dim;
  for (std::int64_t t = 0; t < task.keys.rows; ++t) {
    float *dk = task.dkeys.row(t) + column, *dv = task.dvalues.row(t) + column;
    std::fill_n(dk, dim, 0.0f);
    std::fill_n(dv, dim, 0.0f);
    for (QueryBlock& block : blocks) {
      if (t < block.first_key || t >= block.end) continue;
      const float *dkey = block.dkeys().row(t - block.first_key),
                  *dvalue = block.dvalues().row(t - block.first_key);
      for (std::int64_t c = 0; c < dim; ++c) {
        dk[c] += dkey[c];
        dv[c] += dvalue[c];
      }
    }
  }
}

}  // namespace

void attention_gradient(const KernelContext& context, const AttentionShape& shape,
                        std::span<const AttentionGradientTask> tasks) {
  ASSAY_CHECK(openblas_get_num_threads() == 1);
  std::vector<QueryBlock> blocks = cut_blocks(shape, tasks);
  std::vector<Scratch> scratch(static_cast<std::size_t>(context.pool->num_threads()));
  context.pool->take_turns(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t i, int thread) {
    differentiate(*context.table, shape, blocks[static_cast<std::size_t>(i)],
                  scratch[static_cast<std::size_t>(thread)]);
  });
  const std::int64_t sharing = shape.num_heads / shape.num_kv_heads;
  std::vector<std::span<QueryBlock>> groups;  // of one task and one head of keys, in the order of both
  std::span<QueryBlock> rest(blocks);
  for (const auto& task : tasks) {
    const auto size = static_cast<std::size_t>((task.queries.rows + kQueryBlock - 1) / kQueryBlock * sharing);
    for (std::int64_t kv = 0; kv < shape.num_kv_heads && size > 0; ++kv) {
      groups.push_back(rest.first(size));
      rest = rest.subspan(size);
    }
  }
  context.pool->take_turns(static_cast<std::int64_t>(groups.size()), [&](std::int64_t i, int) {
    add_blocks(groups[static_cast<std::size_t>(i)], shape, i % shape.num_kv_heads);
  });
}

}  // namespace assay
