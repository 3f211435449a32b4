// The input is rounded once for all layers that want it alike, and all their panels are split among the
// threads together: small layers cost one meeting of the threads instead of several.
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

static_assert(kUnitCols == sizeof(RoundedUnit::q));
constexpr std::int64_t kDepthUnits = kMostTileUnits;
constexpr std::int64_t kInputBytes = 768 << 10;
constexpr std::int64_t kLeastRows = 64;  // of x at a time, for which it pays to spread

int kind_of(const PackedMatrix& matrix) {
  return packed_kind(matrix.bits(), static_cast<int>(matrix.offsets()));
}

UnitRounding rounding_for(const LinearLayer& layer) {
  const PackedMatrix& matrix = *layer.weight.packed;
  return {units_per_scale(matrix), matrix.offsets() == PackedOffsets::kOneZero ? matrix.zero() : 0};
}

// All rows of x, rounded.
class RoundedRows {
 public:
  RoundedRows(const KernelContext& context, MatrixView<const float> x, UnitRounding rounding)
      : units_(x.cols / kUnitCols),
        stride_(units_ + 1),
        units_per_scale_(rounding.units_per_scale),
        values_(x.rows * stride_) {
    context.pool->parallel_for(x.rows, 1, [&](WorkRange range) {
      for (std::int64_t t = range.begin; t < range.end; ++t)
        context.table->round_units(x.row(t), units_, rounding, values_.get() + t * stride_);
    });
  }
  const RoundedUnit* from(std::int64_t row, std::int64_t unit) const {
    return values_.get() + row * stride_ + unit;
  }
  std::int64_t units() const { return units_; }
  std::int64_t stride() const { return stride_; }  // in units
  int units_per_scale() const { return units_per_scale_; }

 private:
  std::int64_t units_;
  std::int64_t
      stride_;  // odd more often than not, so that rows of 2^n columns spread over the sets of a cache
  int units_per_scale_;
  Scratch<RoundedUnit> values_;
};

void add_bias(const LinearLayer& layer, std::int64_t begin, std::int64_t end) {
  if (layer.bias.empty()) return;
  for (std::int64_t r = begin; r < end; ++r) layer.y.data[r] += layer.bias[static_cast<std::size_t>(r)];
}

void multiply_vector(const KernelTable& table, const LinearLayer& layer, WorkRange panels,
                     const RoundedUnit* x) {
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

// Scratch memory of one thread, for up to `rows` rows of x.
class TileScratch {
 public:
  explicit TileScratch(std::int64_t rows) : sums_(rows * kMostTilePanels * kPanelRows) {}
  SpreadPanel panel(int i) const {
    return {codes_.get() + i * kDepthUnits * kSpreadUnitBytes, scales_.get() + i * kDepthUnits * kPanelRows,
            offsets_.get() + i * kDepthUnits * kPanelRows};
  }
  float* sums() const { return sums_.get(); }

 private:
  Scratch<std::uint8_t> codes_{kMostTilePanels * kDepthUnits * kSpreadUnitBytes};
  Scratch<float> scales_{kMostTilePanels * kDepthUnits * kPanelRows};
  Scratch<float> offsets_{kMostTilePanels * kDepthUnits * kPanelRows};
  Scratch<float> sums_;
};

// Rows [begin, end) of x times panels of one thread.
class RowBlock {
 public:
  RowBlock(const KernelTable& table, const LinearLayer& layer, const RoundedRows& x, std::int64_t begin,
           std::int64_t end, const TileScratch& scratch)
      : table_(table),
        layer_(layer),
        matrix_(*layer.weight.packed),
        x_(x),
        begin_(begin),
        end_(end),
        scratch_(scratch) {}

  void multiply(std::int64_t panel, int num_panels) const {
    const std::int64_t first = panel * kPanelRows;
    const std::int64_t width = num_panels * kPanelRows;
    const std::int64_t count = std::min(width, matrix_.rows() - first);
    float start[kMostTilePanels * kPanelRows] = {};
    if (!layer_.bias.empty()) std::copy_n(layer_.bias.data() + first, count, start);
    // Tiles write whole panels.
    const bool fits = count == width;
    const Sums apart{scratch_.sums(), width};
    const Sums result = fits ? Sums{layer_.y.row(begin_) + first, layer_.y.stride} : apart;
    const PackedPanels weight = panels_of(matrix_);
    const SpreadFn spread = table_.spread[kind_of(matrix_)];
    PackedTile tile{};
    tile.num_panels = num_panels;
    tile.units_per_scale = x_.units_per_scale();
    tile.x_stride = x_.stride();
    Sums from{start, 0};
    const std::int64_t num_passes = (x_.units() + kDepthUnits - 1) / kDepthUnits;
    const std::int64_t num_scales = x_.units() / x_.units_per_scale();
    for (std::int64_t pass = 0; pass < num_passes; ++pass) {
      const std::int64_t unit = num_scales * pass / num_passes * x_.units_per_scale();
      const std::int64_t end = num_scales * (pass + 1) / num_passes * x_.units_per_scale();
      tile.num_units = end - unit;
      for (int i = 0; i < num_panels; ++i) {
        tile.panels[i] = scratch_.panel(i);
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
  const TileScratch& scratch_;
};

// How many rows of x are taken at a time.
std::int64_t rows_at_once(const KernelTable& table, const RoundedRows& x) {
  const auto row_bytes = x.stride() * static_cast<std::int64_t>(sizeof(RoundedUnit));
  const std::int64_t tile_rows = table.packed_tile_rows;
  return std::max(kInputBytes / row_bytes, kLeastRows) / tile_rows * tile_rows;
}

void multiply_vectors(const KernelContext& context, std::span<const LinearLayer> layers,
                      const RoundedUnit* x) {
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
  const std::int64_t num_rows = layers.front().y.rows;
  const std::int64_t fitting = std::min(rows_at_once(*context.table, x), num_rows);
  std::vector<TileScratch> scratch;
  for (int thread = 0; thread < context.pool->num_threads(); ++thread) scratch.emplace_back(fitting);
  context.pool->take_turns(static_cast<std::int64_t>(turns.size()), [&](std::int64_t i, int thread) {
    const Turn& turn = turns[static_cast<std::size_t>(i)];
    for (std::int64_t t = 0; t < num_rows; t += fitting) {
      RowBlock(*context.table, *turn.layer, x, t, std::min(t + fitting, num_rows),
               scratch[static_cast<std::size_t>(thread)])
          .multiply(turn.panel, turn.num_panels);
    }
  });
}

// Layers that want their input rounded in the same way.
void multiply_alike(const KernelContext& context, std::span<const LinearLayer> layers, UnitRounding rounding,
                    MatrixView<const float> x) {
  const RoundedRows rounded(context, x, rounding);
  if (x.rows == 1) {
    multiply_vectors(context, layers, rounded.from(0, 0));
  } else {
    multiply_matrices(context, layers, rounded);
  }
}

}  // namespace

PackedPanels panels_of(const PackedMatrix& matrix) {
  return {matrix.panels(),    matrix.panel_bytes(), matrix.offsets_begin(), matrix.codes_begin(),
          matrix.num_units(), matrix.group_units(), matrix.zero()};
}

int units_per_scale(const PackedMatrix& matrix) {
  return matrix.group_units() % 2 == 0 && matrix.num_units() % 2 == 0 ? 2 : 1;
}

void multiply_packed(const KernelContext& context, std::span<const LinearLayer> layers,
                     MatrixView<const float> x) {
  const KernelTable& table = *context.table;
  ASSAY_CHECK(table.packed_tile_rows <= kLeastRows && table.packed_tile_panels <= kMostTilePanels);
  std::vector<LinearLayer> left(layers.begin(), layers.end());
  while (!left.empty()) {
    const UnitRounding rounding = rounding_for(left.front());
    const auto others = std::ranges::stable_partition(
        left, [&](const LinearLayer& layer) { return rounding_for(layer) == rounding; });
    multiply_alike(context, {left.begin(), others.begin()}, rounding, x);
    left.erase(left.begin(), others.begin());
  }
}

}  // namespace assay
