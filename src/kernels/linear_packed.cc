// The input is rounded once for all layers, and all their panels are split among the threads together: small layers
// cost one meeting of the threads instead of several.
//
// One row: a thread reads its panels front to back. Many rows: a thread spreads kDepthUnits units of a panel or two, which
// stay in the first cache, and multiplies them with all rows of x before it goes on; so much of x stays in the second cache.
#include "kernels/linear_packed.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/scratch.h"
#include "tensor/packed_matrix.h"

namespace assay {
namespace {

static_assert(kUnitCols == kInt8Group);
constexpr std::int64_t kDepthUnits = kMostTileUnits;
constexpr int kMostTileRows = 32;

PackedPanels panels_of(const PackedMatrix& matrix) {
  return {matrix.panels(),   matrix.panel_bytes(), matrix.offsets_begin(), matrix.codes_begin(),
          matrix.num_units(), matrix.group_units(), matrix.zero()};
}

int kind_of(const PackedMatrix& matrix) { return packed_kind(matrix.bits(), static_cast<int>(matrix.offsets())); }

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
    return {q_.get() + row * stride_ + unit * kUnitCols, scales_.get() + at, sums_.get() + at, q_sums_.get() + at};
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

void multiply_vector(const KernelTable& table, const LinearLayer& layer, WorkRange panels, const RoundedVector& x) {
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

// Panels from `panel` on, which `tile` holds spread from `unit` on, times all rows of x.
void multiply_panels(const KernelTable& table, const LinearLayer& layer, const RoundedRows& x, std::int64_t panel,
                     std::int64_t unit, PackedTile tile) {
  const PackedMatrix& matrix = *layer.weight.packed;
  const std::int64_t first = panel * kPanelRows;
  const std::int64_t width = tile.num_panels * kPanelRows;
  const std::int64_t count = std::min(width, matrix.rows() - first);
  float start[kMostTilePanels * kPanelRows] = {};
  if (!layer.bias.empty()) std::copy_n(layer.bias.data() + first, count, start);
  float rest[kMostTileRows * kMostTilePanels * kPanelRows];
  tile.zero = matrix.zero();
  tile.q_stride = x.stride();
  tile.scales_stride = x.units();
  tile.start = unit == 0 ? start : nullptr;
  const PackedTileFn multiply = table.multiply_packed_tile[kind_of(matrix)];
  const std::int64_t tile_rows = table.packed_tile_rows;
  for (std::int64_t t = 0; t < layer.y.rows; t += tile_rows) {
    tile.num_rows = static_cast<int>(std::min(tile_rows, layer.y.rows - t));
    tile.x = x.from(t, unit);
    float* y = layer.y.row(t) + first;
    if (count == width) {
      tile.y = y;
      tile.y_stride = layer.y.stride;
      multiply(tile);
      continue;
    }
    tile.y = rest;
    tile.y_stride = width;
    for (int i = 0; i < tile.num_rows; ++i) std::copy_n(y + i * layer.y.stride, count, rest + i * width);
    multiply(tile);
    for (int i = 0; i < tile.num_rows; ++i) std::copy_n(rest + i * width, count, y + i * layer.y.stride);
  }
}

void multiply_matrix(const KernelTable& table, const LinearLayer& layer, WorkRange panels, const RoundedRows& x) {
  const PackedMatrix& matrix = *layer.weight.packed;
  const PackedPanels weight = panels_of(matrix);
  const SpreadFn spread = table.spread[kind_of(matrix)];
  const SpreadScratch scratch[kMostTilePanels];
  PackedTile tile{};
  for (std::int64_t unit = 0; unit < x.units(); unit += kDepthUnits) {
    tile.num_units = std::min(kDepthUnits, x.units() - unit);
    for (std::int64_t panel = panels.begin; panel < panels.end; panel += tile.num_panels) {
      tile.num_panels = static_cast<int>(std::min<std::int64_t>(table.packed_tile_panels, panels.end - panel));
      for (int i = 0; i < tile.num_panels; ++i) {
        tile.panels[i] = scratch[i].panel();
        spread(weight, panel + i, unit, tile.num_units, tile.panels[i]);
      }
      multiply_panels(table, layer, x, panel, unit, tile);
    }
  }
}

}  // namespace

void multiply_packed(const KernelContext& context, std::span<const LinearLayer> layers, MatrixView<const float> x) {
  const KernelTable& table = *context.table;
  ASSAY_CHECK(table.packed_tile_rows <= kMostTileRows && table.packed_tile_panels <= kMostTilePanels);
  const RoundedRows rounded(context, x);
  std::int64_t num_panels = 0;
  for (const auto& layer : layers) num_panels += layer.weight.packed->num_panels();
  context.pool->parallel_for(num_panels, 1, [&](WorkRange range) {
    std::int64_t first = 0;  // of the layer, among all panels
    for (const auto& layer : layers) {
      const std::int64_t count = layer.weight.packed->num_panels();
      const WorkRange own{std::clamp<std::int64_t>(range.begin - first, 0, count),
                          std::clamp<std::int64_t>(range.end - first, 0, count), range.thread};
      first += count;
      if (own.begin == own.end) continue;
      if (x.rows == 1) {
        multiply_vector(table, layer, own, rounded.from(0, 0));
      } else {
        multiply_matrix(table, layer, own, rounded);
      }
    }
  });
}

}  // namespace assay
