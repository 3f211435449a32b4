// The input is rounded once for all layers, and all their panels are split among the threads together: small
// layers cost one meeting of the threads instead of several.
//
// One row: a thread reads its panels front to back. Many rows: threads take turns at a panel or two; as many
// rows of x as stay in the second cache at a time. A thread spreads up to kDepthUnits units of a panel or
// two, which stay in the first cache even where two threads share it, and multiplies them with these rows
// before it goes on. Sums that are not complete are kept apart: rows of y lie far from each other.
#include "kernels/linear_packed.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/scratch.h"
#include "tensor/packed_matrix.h"

namespace assay {
namespace {

static_assert(kUnitCols == kInt8Group);
constexpr std::int64_t kDepthUnits = kMostTileUnits;
constexpr std::int64_t kInputBytes = 512 << 10;
constexpr std::int64_t kLeastRows = 64;  // of x at a time, for which it pays to spread

int kind_of(const PackedMatrix& matrix) {
  return packed_kind(matrix.bits(), static_cast<int>(matrix.offsets()));
}

// All rows of x, rounded.
class RoundedRows {
 public:
  RoundedRows(const KernelContext& context, MatrixView<const float> x)
      : stride_(x.cols + kCacheLine),
        units_(x.cols / kUnitCols),
        q_(x.rows * stride_),
        scales_(x.rows * units_),
        sums_(x.rows * units_),
        q_sums_(x.rows * units_) {
    const RoundInputFn round_input = context.table->round_input;
    context.pool->parallel_for(x.rows, 1, [&](WorkRange range) {
      const Scratch<std::int32_t> half_sums(2 * units_);
      for (std::int64_t t = range.begin; t < range.end; ++t) {
        float* scales = scales_.get() + t * units_;
        std::int32_t* q_sums = q_sums_.get() + t * units_;
        round_input(x.row(t), x.cols, {q_.get() + t * stride_, scales, q_sums, half_sums.get()});
        for (std::int64_t u = 0; u < units_; ++u)
          sums_.get()[t * units_ + u] = scales[u] * static_cast<float>(q_sums[u]);
      }
    });
  }
  RoundedVector from(std::int64_t row, std::int64_t unit) const {
    const std::int64_t at = row * units_ + unit;
    return {q_.get() + row * stride_ + unit * kUnitCols, scales_.get() + at, sums_.get() + at,
            q_sums_.get() + at};
  }
  std::int64_t stride() const { return stride_; }  // of q
  std::int64_t units() const { return units_; }

 private:
  // Added to rows so that those of 2^n columns spread over the sets of a cache.
  static constexpr std::int64_t kCacheLine = 64;

  std::int64_t stride_;
  std::int64_t units_;
  Scratch<std::int8_t> q_;
  Scratch<float> scales_;
  Scratch<float> sums_;
  Scratch<std::int32_t> q_sums_;
};

void add_bias(const LinearLayer& layer, std::int64_t begin, std::int64_t end) {
  if (layer.bias.empty()) return;
  for (std::int64_t r = begin; r < end; ++r) layer.y.data[r] += layer.bias[static_cast<std::size_t>(r)];
}

void multiply_vector(const KernelTable& table, const LinearLayer& layer, WorkRange panels,
                     const RoundedVector& x) {
  const PackedMatrix& matrix = *layer.weight.packed;
  const PackedPanels weight = panels_of(matrix);
  const PackedDotFn dot = table.packed_dot[kind_of(matrix)];
  const std::int64_t whole = std::clamp(matrix.rows() / kPanelRows, panels.begin, panels.end);
  dot(weight, panels.begin, whole, x, layer.y.data + panels.begin * kPanelRows);
  if (whole < panels.end) {
    float rest[kPanelRows];
    dot(weight, whole, panels.end, x, rest);
    std::copy_n(rest, matrix.rows() - whole * kPanelRows, layer.y.data + whole * kPanelRows);
  }
  add_bias(layer, panels.begin * kPanelRows, std::min(panels.end * kPanelRows, matrix.rows()));
}

// Scratch of one thread, for one panel.
struct SpreadScratch {
  Scratch<std::uint8_t> codes{kDepthUnits * kSpreadUnitBytes};
  Scratch<float> scales{kDepthUnits * kPanelRows};
  Scratch<float> offsets{kDepthUnits * kPanelRows};
  SpreadPanel panel() const { return {codes.get(), scales.get(), offsets.get()}; }
};

// Rows [begin, end) of x times panels of one thread.
class RowBlock {
 public:
  RowBlock(const KernelTable& table, const LinearLayer& layer, const RoundedRows& x, std::int64_t begin,
           std::int64_t end)
      : table_(table),
        layer_(layer),
        matrix_(*layer.weight.packed),
        x_(x),
        begin_(begin),
        end_(end),
        sums_((end - begin) * kMostTilePanels * kPanelRows) {}

  void multiply(std::int64_t panel, int num_panels) const {
    const std::int64_t first = panel * kPanelRows;
    const std::int64_t width = num_panels * kPanelRows;
    const std::int64_t count = std::min(width, matrix_.rows() - first);
    float start[kMostTilePanels * kPanelRows] = {};
    if (!layer_.bias.empty()) std::copy_n(layer_.bias.data() + first, count, start);
    // Tiles write whole panels.
    const bool fits = count == width;
    const Sums apart{sums_.get(), width};
    const Sums result = fits ? Sums{layer_.y.row(begin_) + first, layer_.y.stride} : apart;
    const PackedPanels weight = panels_of(matrix_);
    const SpreadFn spread = table_.spread[kind_of(matrix_)];
    PackedTile tile{};
    tile.num_panels = num_panels;
    tile.zero = matrix_.zero();
    tile.q_stride = x_.stride();
    tile.scales_stride = x_.units();
    Sums from{start, 0};
    const std::int64_t num_passes = (x_.units() + kDepthUnits - 1) / kDepthUnits;
    for (std::int64_t pass = 0; pass < num_passes; ++pass) {
      const std::int64_t unit = x_.units() * pass / num_passes;
      const std::int64_t end = x_.units() * (pass + 1) / num_passes;
      tile.num_units = end - unit;
      for (int i = 0; i < num_panels; ++i) {
        tile.panels[i] = spread_[i].panel();
        spread(weight, panel + i, unit, tile.num_units, tile.panels[i]);
      }
      const Sums to = end == x_.units() ? result : apart;
      multiply_tiles(tile, unit, from, to);
      from = to;
    }
    for (std::int64_t t = begin_; !fits && t < end_; ++t)
      std::copy_n(apart.values + (t - begin_) * apart.stride, count, layer_.y.row(t) + first);
  }

 private:
  struct Sums {
    float* values;  // of row begin_
    std::int64_t stride;
  };

  // The units that `tile` holds, which begin at `unit`.
  void multiply_tiles(PackedTile& tile, std::int64_t unit, Sums from, Sums to) const {
    const std::int64_t tile_rows = table_.packed_tile_rows;
    tile.start_stride = from.stride;
    tile.y_stride = to.stride;
    for (std::int64_t t = begin_; t < end_; t += tile_rows) {
      tile.num_rows = static_cast<int>(std::min(tile_rows, end_ - t));
      tile.x = x_.from(t, unit);
      tile.start = from.values + (t - begin_) * from.stride;
      tile.y = to.values + (t - begin_) * to.stride;
      table_.multiply_packed_tile[kind_of(matrix_)](tile);
    }
  }

  const KernelTable& table_;
  const LinearLayer& layer_;
  const PackedMatrix& matrix_;
  const RoundedRows& x_;
  std::int64_t begin_;
  std::int64_t end_;
  Scratch<float> sums_;
  SpreadScratch spread_[kMostTilePanels];
};

// Panels [panel, panel + num_panels) times all rows of x.
void multiply_matrix(const KernelTable& table, const LinearLayer& layer, std::int64_t panel, int num_panels,
                     const RoundedRows& x) {
  const std::int64_t tile_rows = table.packed_tile_rows;
  const std::int64_t fitting = std::max(kInputBytes / x.stride(), kLeastRows) / tile_rows * tile_rows;
  for (std::int64_t t = 0; t < layer.y.rows; t += fitting)
    RowBlock(table, layer, x, t, std::min(t + fitting, layer.y.rows)).multiply(panel, num_panels);
}

void multiply_vectors(const KernelContext& context, std::span<const LinearLayer> layers,
                      const RoundedVector& x) {
  std::int64_t num_panels = 0;
  for (const auto& layer : layers) num_panels += layer.weight.packed->num_panels();
  context.pool->parallel_for(num_panels, 1, [&](WorkRange range) {
    std::int64_t first = 0;  // of the layer, among all panels
    for (const auto& layer : layers) {
      const std::int64_t count = layer.weight.packed->num_panels();
      const WorkRange own{std::clamp<std::int64_t>(range.begin - first, 0, count),
                          std::clamp<std::int64_t>(range.end - first, 0, count), range.thread};
      first += count;
      if (own.begin < own.end) multiply_vector(*context.table, layer, own, x);
    }
  });
}

void multiply_matrices(const KernelContext& context, std::span<const LinearLayer> layers,
                       const RoundedRows& x) {
  const int step = context.table->packed_tile_panels;
  struct Turn {
    const LinearLayer* layer;
    std::int64_t panel;
    int num_panels;
  };
  std::vector<Turn> turns;
  for (const auto& layer : layers) {
    const std::int64_t count = layer.weight.packed->num_panels();
    for (std::int64_t panel = 0; panel < count; panel += step)
      turns.push_back({&layer, panel, static_cast<int>(std::min<std::int64_t>(step, count - panel))});
  }
  context.pool->take_turns(static_cast<std::int64_t>(turns.size()), [&](std::int64_t i) {
    const Turn& turn = turns[static_cast<std::size_t>(i)];
    multiply_matrix(*context.table, *turn.layer, turn.panel, turn.num_panels, x);
  });
}

}  // namespace

PackedPanels panels_of(const PackedMatrix& matrix) {
  return {matrix.panels(),    matrix.panel_bytes(), matrix.offsets_begin(), matrix.codes_begin(),
          matrix.num_units(), matrix.group_units(), matrix.zero()};
}

void multiply_packed(const KernelContext& context, std::span<const LinearLayer> layers,
                     MatrixView<const float> x) {
  const KernelTable& table = *context.table;
  ASSAY_CHECK(table.packed_tile_rows <= kLeastRows && table.packed_tile_panels <= kMostTilePanels);
  const RoundedRows rounded(context, x);
  if (x.rows == 1) {
    multiply_vectors(context, layers, rounded.from(0, 0));
  } else {
    multiply_matrices(context, layers, rounded);
  }
}

}  // namespace assay
