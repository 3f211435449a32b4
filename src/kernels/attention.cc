// Attention out of tiled products: the scores of a block of queries against all keys that any of them sees, a
// softmax per query that puts zeros outside its own range, and the product with the values. Work is split by
// (task, head, query block), so neither tasks nor threads influence a result. A single query reads the keys
// as they lie.
#include <algorithm>

#include "base/check.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"

namespace assay {
namespace {

constexpr std::int64_t kQueryTiles = 4;  // tiles of queries that share one pass over the keys

struct Block {
  const KernelTable& table;
  const AttentionShape& shape;
  const AttentionTask& task;
  std::int64_t head;
  std::int64_t first;  // queries [first, first + count)
  std::int64_t count;
  std::int64_t first_key;  // keys [first_key, last_key) are seen by at least one of them
  std::int64_t last_key;

  std::int64_t num_keys() const { return last_key - first_key; }
  std::int64_t kv_column() const { return head / (shape.num_heads / shape.num_kv_heads) * shape.head_dim; }
  const float* query(std::int64_t i) const { return task.queries.row(first + i) + head * shape.head_dim; }
  const float* key(std::int64_t j) const { return task.keys.row(first_key + j) + kv_column(); }
  const float* value(std::int64_t j) const { return task.values.row(first_key + j) + kv_column(); }
  float* out(std::int64_t i) const { return task.out.row(first + i) + head * shape.head_dim; }
};

// What the query at `position` sees begins here. Rounded down by the caller where blocks share a pass.
std::int64_t first_visible(std::int64_t position, std::int64_t window) {
  return window > 0 ? std::max<std::int64_t>(0, position - window + 1) : 0;
}

void softmax_rows(const Block& b, float* scores) {
  for (std::int64_t i = 0; i < b.count; ++i) {
    const std::int64_t position = b.task.keys.rows - b.task.queries.rows + b.first + i;
    SoftmaxRow row;
    row.s = scores + i * b.num_keys();
    row.num_keys = b.num_keys();
    row.begin = first_visible(position, b.shape.window) - b.first_key;
    row.end = position + 1 - b.first_key;
    row.scale = b.shape.scale;
    row.softcap = b.shape.softcap;
    b.table.softmax(row);
  }
}

// scores[i, j] = q_i . k_j
void all_scores(const Block& b, const float* packed_queries, float* turned_keys, const float* zeros,
                float* scores) {
  const std::int64_t dim = b.shape.head_dim;
  for (std::int64_t j = 0; j < b.num_keys(); j += b.table.tile_cols) {
    const std::int64_t keys = std::min<std::int64_t>(b.table.tile_cols, b.num_keys() - j);
    b.table.transpose(b.key(j), b.task.keys.stride, keys, dim, turned_keys, b.table.tile_cols);
    for (std::int64_t i = 0; i < b.count; i += b.table.tile_rows) {
      const std::int64_t queries = std::min<std::int64_t>(b.table.tile_rows, b.count - i);
      b.table.multiply_tile({packed_queries + i * dim, queries, turned_keys, b.table.tile_cols, dim, zeros,
                             scores + i * b.num_keys() + j, b.num_keys(), static_cast<int>(queries),
                             static_cast<int>(keys)});
    }
  }
}

// out[i] = sum_j p[i, j] v_j
void weigh_values(const Block& b, const float* probabilities, float* turned, const float* zeros) {
  const std::int64_t dim = b.shape.head_dim;
  for (std::int64_t i = 0; i < b.count; i += b.table.tile_rows) {
    const std::int64_t queries = std::min<std::int64_t>(b.table.tile_rows, b.count - i);
    b.table.transpose(probabilities + i * b.num_keys(), b.num_keys(), queries, b.num_keys(), turned, queries);
    for (std::int64_t c = 0; c < dim; c += b.table.tile_cols) {
      const std::int64_t columns = std::min<std::int64_t>(b.table.tile_cols, dim - c);
      b.table.multiply_tile({turned, queries, b.value(0) + c, b.task.values.stride, b.num_keys(), zeros,
                             b.out(i) + c, b.task.out.stride, static_cast<int>(queries),
                             static_cast<int>(columns)});
    }
  }
}

void attend(const Block& b, const float* zeros) {
  const std::int64_t dim = b.shape.head_dim;
  const Scratch<float> scores(b.count * b.num_keys());
  if (b.count == 1) {
    b.table.scores(b.query(0), b.key(0), b.task.keys.stride, b.num_keys(), dim, scores.get());
    softmax_rows(b, scores.get());
    weigh_values(b, scores.get(), Scratch<float>(b.num_keys()).get(), zeros);
    return;
  }
  const Scratch<float> queries(b.count * dim);
  for (std::int64_t i = 0; i < b.count; i += b.table.tile_rows) {
    const std::int64_t rows = std::min<std::int64_t>(b.table.tile_rows, b.count - i);
    b.table.transpose(b.query(i), b.task.queries.stride, rows, dim, queries.get() + i * dim, rows);
  }
  const Scratch<float> turned_keys(dim * b.table.tile_cols);
  all_scores(b, queries.get(), turned_keys.get(), zeros, scores.get());
  softmax_rows(b, scores.get());
  const Scratch<float> turned(b.table.tile_rows * b.num_keys());
  weigh_values(b, scores.get(), turned.get(), zeros);
}

void check_shapes(const AttentionShape& shape, const AttentionTask& task) {
  ASSAY_CHECK(shape.num_kv_heads > 0 && shape.num_heads % shape.num_kv_heads == 0);
  ASSAY_CHECK(task.queries.cols == shape.num_heads * shape.head_dim && task.out.cols == task.queries.cols);
  ASSAY_CHECK(task.keys.cols == shape.num_kv_heads * shape.head_dim && task.values.cols == task.keys.cols);
  ASSAY_CHECK(task.out.rows == task.queries.rows && task.values.rows == task.keys.rows);
  ASSAY_CHECK(task.keys.rows >= task.queries.rows);
}

struct Unit {
  const AttentionTask* task;
  std::int64_t head;
  std::int64_t first;
};

}  // namespace

void attention(const KernelContext& context, const AttentionShape& shape,
               std::span<const AttentionTask> tasks) {
  const KernelTable& table = *context.table;
  const std::int64_t queries_per_block = kQueryTiles * table.tile_rows;
  std::vector<Unit> units;
  for (const auto& task : tasks) {
    check_shapes(shape, task);
    for (std::int64_t head = 0; head < shape.num_heads; ++head) {
      for (std::int64_t first = 0; first < task.queries.rows; first += queries_per_block) {
        units.push_back({&task, head, first});
      }
    }
  }
  const std::vector<float> zeros(static_cast<std::size_t>(table.tile_cols));
  context.pool->parallel_for(static_cast<std::int64_t>(units.size()), 1, [&](WorkRange range) {
    for (std::int64_t u = range.begin; u < range.end; ++u) {
      const Unit& unit = units[static_cast<std::size_t>(u)];
      const std::int64_t count = std::min(queries_per_block, unit.task->queries.rows - unit.first);
      const std::int64_t position = unit.task->keys.rows - unit.task->queries.rows + unit.first;
      const std::int64_t first_key = first_visible(position, shape.window);
      attend({table, shape, *unit.task, unit.head, unit.first, count, first_key, position + count},
             zeros.data());
    }
  });
}

}  // namespace assay
