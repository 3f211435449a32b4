// Attention by blocks of keys (Dao et al., FlashAttention, 2022): the scores of a block of queries, a softmax
// that corrects what is there when a larger score comes, and the product with the values, so that memory is
// that of a block and what is read again lies in the caches. The heads that share keys go together, as so
// many more queries. Scores are kept with a key's side by side: softmax then runs over many queries at once,
// and tiles of the product with the values find them as they want them. A single query reads keys and values
// as they lie, in one pass. Blocks of keys begin at multiples of their length, so neither other queries nor
// tasks or threads influence a result.
#include <algorithm>

#include "base/check.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"

namespace assay {
namespace {

constexpr std::int64_t kQueryRows = 48;  // queries times heads that share one pass over the keys
constexpr std::int64_t kBlockKeys = 96;  // rounded down to whole tiles

// Heads [first_head, first_head + num_heads) of one kv head, and queries [first, first + count).
struct Unit {
  const AttentionTask* task;
  std::int64_t first_head;
  std::int64_t num_heads;
  std::int64_t first;
  std::int64_t count;
};

struct Keys {
  std::int64_t begin;
  std::int64_t end;
};

// Some rows of keys or values.
struct Rows {
  const float* data;
  std::int64_t stride;
};

// Rows are pairs of a query and a head, in this order.
class Block {
 public:
  Block(const KernelTable& table, const AttentionShape& shape, const Unit& unit)
      : table_(table), shape_(shape), task_(*unit.task), unit_(unit) {}

  void attend() const;
  void attend_one() const;

 private:
  struct Memory;
  std::int64_t num_rows() const { return unit_.count * unit_.num_heads; }
  std::int64_t kv_column() const {
    return unit_.first_head / (shape_.num_heads / shape_.num_kv_heads) * shape_.head_dim;
  }
  std::int64_t column(std::int64_t row) const {
    return (unit_.first_head + row % unit_.num_heads) * shape_.head_dim;
  }
  std::int64_t query(std::int64_t row) const { return unit_.first + row / unit_.num_heads; }
  float* out(std::int64_t row) const { return task_.out.row(query(row)) + column(row); }
  // What any of `count` rows sees.
  Keys visible(std::int64_t row, std::int64_t count) const;
  // Row j of the view's columns of these heads.
  template <typename T>
  const T* row(const MatrixView<const T>& view, std::int64_t j) const {
    return view.row(j) + kv_column();
  }
  const std::uint16_t* half_row(const KvView& view, std::int64_t j) const {
    return &row(view.halves, j)->bits;
  }
  Rows as_floats(const KvView& view, Keys keys, const Memory& memory) const;
  void turn_queries(Memory& memory) const;
  void score(Keys keys, Memory& memory) const;
  void soften(Keys keys, Memory& memory) const;
  void weigh(Keys keys, Memory& memory) const;

  const KernelTable& table_;
  const AttentionShape& shape_;
  const AttentionTask& task_;
  const Unit& unit_;
};

Keys clip(Keys keys, Keys to) { return {std::max(keys.begin, to.begin), std::min(keys.end, to.end)}; }

std::int64_t round_up(std::int64_t count, std::int64_t step) { return (count + step - 1) / step * step; }

struct Block::Memory {
  Memory(std::int64_t num_rows, std::int64_t head_dim, const KernelTable& table)
      : rows(round_up(num_rows, std::max<std::int64_t>(kSoftmaxQueries, table.tile_cols))),
        block_keys(kBlockKeys / table.tile_rows * table.tile_rows),
        queries(rows * head_dim),
        keys(block_keys * head_dim),
        floats(block_keys * head_dim),
        scores(block_keys * rows),
        sums(rows * head_dim),
        row_values(5 * rows) {
    // Rows that only fill the last vector are computed too.
    std::fill_n(scores.get(), block_keys * rows, 0.0f);
    std::fill_n(sums.get(), rows * head_dim, 0.0f);
    std::fill_n(row_values.get(), 5 * rows, 0.0f);
    std::fill_n(largest(), rows, kNothingSeen);
  }
  float* begin() const { return row_values.get(); }
  float* end() const { return row_values.get() + rows; }
  float* largest() const { return row_values.get() + 2 * rows; }
  float* sum() const { return row_values.get() + 3 * rows; }
  float* factor() const { return row_values.get() + 4 * rows; }

  std::int64_t rows;
  std::int64_t block_keys;
  Scratch<float> queries;  // [panel of tile_cols rows][head_dim][tile_cols]
  Scratch<float> keys;     // [head_dim][block_keys]
  Scratch<float> floats;   // [block_keys][head_dim]: keys, then values that are halves
  Scratch<float> scores;   // [block_keys][rows]
  Scratch<float> sums;     // [rows][head_dim]: the weighted values so far
  Scratch<float> row_values;
};

Keys Block::visible(std::int64_t row, std::int64_t count) const {
  const std::int64_t offset = task_.keys.rows() - task_.queries.rows;
  const std::int64_t first = offset + query(row), last = offset + query(row + count - 1);
  return {shape_.window > 0 ? std::max<std::int64_t>(0, first - shape_.window + 1) : 0, last + 1};
}

void Block::turn_queries(Memory& memory) const {
  const std::int64_t dim = shape_.head_dim;
  const Scratch<float> together(num_rows() * dim);
  for (std::int64_t row = 0; row < num_rows(); ++row)
    std::copy_n(task_.queries.row(query(row)) + column(row), dim, together.get() + row * dim);
  for (std::int64_t row = 0; row < num_rows(); row += table_.tile_cols) {
    const std::int64_t count = std::min<std::int64_t>(table_.tile_cols, num_rows() - row);
    table_.transpose(together.get() + row * dim, dim, count, dim, memory.queries.get() + row * dim,
                     table_.tile_cols);
  }
}

Rows Block::as_floats(const KvView& view, Keys keys, const Memory& memory) const {
  if (!view.are_halves()) return {row(view.floats, keys.begin), view.floats.stride};
  const std::int64_t dim = shape_.head_dim;
  WeightRows rows{};
  rows.data = reinterpret_cast<const std::uint8_t*>(half_row(view, keys.begin));
  rows.row_bytes = view.halves.stride * view.value_bytes();
  rows.cols = dim;
  rows.format = WeightFormat::kF16;
  const DequantizeFn dequantize = table_.dequantize[static_cast<int>(rows.format)];
  for (std::int64_t j = 0; j < keys.end - keys.begin; ++j)
    dequantize(rows, j, 0, dim, memory.floats.get() + j * dim);
  return {memory.floats.get(), dim};
}

// scores[j, row] = k_j . q_row, but for tiles that nobody sees.
void Block::score(Keys keys, Memory& memory) const {
  const std::int64_t dim = shape_.head_dim;
  const Rows rows = as_floats(task_.keys, keys, memory);
  table_.transpose(rows.data, rows.stride, keys.end - keys.begin, dim, memory.keys.get(), memory.block_keys);
  const std::vector<float> zeros(static_cast<std::size_t>(table_.tile_cols));
  for (std::int64_t row = 0; row < num_rows(); row += table_.tile_cols) {
    const std::int64_t count = std::min<std::int64_t>(table_.tile_cols, num_rows() - row);
    const Keys seen = clip(visible(row, count), keys);
    const std::int64_t first = (seen.begin - keys.begin) / table_.tile_rows * table_.tile_rows;
    for (std::int64_t j = first; j < seen.end - keys.begin; j += table_.tile_rows) {
      const std::int64_t num_keys = std::min<std::int64_t>(table_.tile_rows, keys.end - keys.begin - j);
      table_.multiply_tile({memory.keys.get() + j, memory.block_keys, memory.queries.get() + row * dim,
                            table_.tile_cols, dim, zeros.data(), memory.scores.get() + j * memory.rows + row,
                            memory.rows, static_cast<int>(num_keys), static_cast<int>(count)});
    }
  }
}

void Block::soften(Keys keys, Memory& memory) const {
  for (std::int64_t row = 0; row < num_rows(); ++row) {
    const Keys seen = clip(visible(row, 1), keys);
    memory.begin()[row] = static_cast<float>(seen.begin - keys.begin);
    memory.end()[row] = static_cast<float>(std::max(seen.begin, seen.end) - keys.begin);
  }
  table_.softmax_block({memory.scores.get(), memory.rows, keys.end - keys.begin,
                        round_up(num_rows(), kSoftmaxQueries), memory.begin(), memory.end(), shape_.scale,
                        shape_.softcap, memory.largest(), memory.sum(), memory.factor()});
}

// sums[row] = factor[row] sums[row] + sum_j scores[j, row] v_j
void Block::weigh(Keys keys, Memory& memory) const {
  const std::int64_t dim = shape_.head_dim;
  for (std::int64_t row = 0; row < num_rows(); ++row) {
    const float factor = memory.factor()[row];
    if (factor == 1.0f) continue;
    float* sums = memory.sums.get() + row * dim;
    table_.scale(sums, factor, dim, sums);
  }
  const Rows values = as_floats(task_.values, keys, memory);
  for (std::int64_t row = 0; row < num_rows(); row += table_.tile_rows) {
    const std::int64_t count = std::min<std::int64_t>(table_.tile_rows, num_rows() - row);
    const Keys seen = clip(visible(row, count), keys);
    if (seen.begin >= seen.end) continue;
    for (std::int64_t c = 0; c < dim; c += table_.tile_cols) {
      const std::int64_t columns = std::min<std::int64_t>(table_.tile_cols, dim - c);
      table_.multiply_tile({memory.scores.get() + (seen.begin - keys.begin) * memory.rows + row, memory.rows,
                            values.data + (seen.begin - keys.begin) * values.stride + c, values.stride,
                            seen.end - seen.begin, nullptr, memory.sums.get() + row * dim + c, dim,
                            static_cast<int>(count), static_cast<int>(columns)});
    }
  }
}

void Block::attend() const {
  const std::int64_t dim = shape_.head_dim;
  Memory memory(num_rows(), dim, table_);
  turn_queries(memory);
  const Keys all = visible(0, num_rows());
  for (std::int64_t j = all.begin / memory.block_keys * memory.block_keys; j < all.end;
       j += memory.block_keys) {
    const Keys keys = clip({j, j + memory.block_keys}, all);
    score(keys, memory);
    soften(keys, memory);
    weigh(keys, memory);
  }
  for (std::int64_t row = 0; row < num_rows(); ++row) {
    table_.scale(memory.sums.get() + row * dim, 1.0f / memory.sum()[row], dim, out(row));
  }
}

// Heads take turns at blocks of keys and of values, which so are read from memory once.
void Block::attend_one() const {
  const std::int64_t dim = shape_.head_dim;
  const Keys all = visible(0, 1);
  const std::int64_t num_keys = all.end - all.begin;
  const Scratch<float> scores(unit_.num_heads * num_keys);
  const auto for_blocks = [&](auto body) {  // body(head, first key, number of keys, their scores)
    for (std::int64_t j = 0; j < num_keys; j += kBlockKeys) {
      for (std::int64_t head = 0; head < unit_.num_heads; ++head)
        body(head, all.begin + j, std::min(kBlockKeys, num_keys - j), scores.get() + head * num_keys + j);
    }
  };
  for_blocks([&](std::int64_t head, std::int64_t first, std::int64_t count, float* s) {
    const float* q = task_.queries.row(unit_.first) + column(head);
    if (task_.keys.are_halves()) {
      table_.scores_halves(q, half_row(task_.keys, first), task_.keys.halves.stride, count, dim, s);
    } else {
      table_.scores(q, row(task_.keys.floats, first), task_.keys.floats.stride, count, dim, s);
    }
  });
  for (std::int64_t head = 0; head < unit_.num_heads; ++head) {
    table_.softmax({scores.get() + head * num_keys, num_keys, shape_.scale, shape_.softcap});
    std::fill_n(out(head), dim, 0.0f);
  }
  for_blocks([&](std::int64_t head, std::int64_t first, std::int64_t count, const float* p) {
    if (task_.values.are_halves()) {
      table_.weigh_halves(p, half_row(task_.values, first), task_.values.halves.stride, count, dim,
                          out(head));
    } else {
      table_.weigh(p, row(task_.values.floats, first), task_.values.floats.stride, count, dim, out(head));
    }
  });
}

void check_shapes(const AttentionShape& shape, const AttentionTask& task) {
  ASSAY_CHECK(shape.num_kv_heads > 0 && shape.num_heads % shape.num_kv_heads == 0);
  ASSAY_CHECK(task.queries.cols == shape.num_heads * shape.head_dim && task.out.cols == task.queries.cols);
  ASSAY_CHECK(task.keys.cols() == shape.num_kv_heads * shape.head_dim &&
              task.values.cols() == task.keys.cols());
  ASSAY_CHECK(task.out.rows == task.queries.rows && task.values.rows() == task.keys.rows());
  ASSAY_CHECK(task.keys.rows() >= task.queries.rows);
}

// Heads of one kv head go together, except that single queries are spread over more threads.
void add_units(const AttentionShape& shape, const AttentionTask& task, bool split_single,
               std::vector<Unit>& units) {
  const std::int64_t group = shape.num_heads / shape.num_kv_heads;
  const bool single = task.queries.rows == 1;
  const std::int64_t heads = single && split_single ? 1 : group;
  const std::int64_t queries = std::max<std::int64_t>(1, kQueryRows / group);
  for (std::int64_t head = 0; head < shape.num_heads; head += heads) {
    for (std::int64_t first = 0; first < task.queries.rows; first += queries)
      units.push_back({&task, head, heads, first, std::min(queries, task.queries.rows - first)});
  }
}

}  // namespace

void attention(const KernelContext& context, const AttentionShape& shape,
               std::span<const AttentionTask> tasks) {
  std::vector<Unit> units;
  const std::int64_t groups = shape.num_kv_heads * static_cast<std::int64_t>(tasks.size());
  const bool split_single = groups % context.pool->num_threads() != 0;
  for (const auto& task : tasks) {
    check_shapes(shape, task);
    add_units(shape, task, split_single, units);
  }
  // A unit's cost grows with the keys that it sees.
  context.pool->take_turns(static_cast<std::int64_t>(units.size()), [&](std::int64_t u, int) {
    const Unit& unit = units[static_cast<std::size_t>(u)];
    const Block block(*context.table, shape, unit);
    if (unit.task->queries.rows == 1) {
      block.attend_one();
    } else {
      block.attend();
    }
  });
}

}  // namespace assay
