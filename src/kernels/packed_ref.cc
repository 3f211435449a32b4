// Plain products with packed weights. Spread codes are one byte each, in the order of quads.
#include <algorithm>
#include <cmath>

#include "kernels/packed_kinds.h"
#include "tensor/float16.h"
#include "tensor/packed_matrix.h"

namespace assay {
namespace {

constexpr int kRows = static_cast<int>(kPanelRows);
constexpr int kQuads = 8;
constexpr int kTileRows = 4;

std::uint8_t code_at(int bits, const std::uint8_t* unit, int quad, int byte) {
  const auto vector = [&](int v) { return static_cast<unsigned>(unit[64 * v + byte]); };
  const auto result = [&]() -> unsigned {
    switch (bits) {
      case 8:
        return vector(quad);
      case 4:
        return vector(quad % 4) >> (quad / 4 * 4) & 15u;
      case 2:
        return vector(quad % 2) >> (quad / 2 * 2) & 3u;
      default:
        if (quad < 6) return vector(quad / 2) >> (quad % 2 * 3) & 7u;
        return vector(quad - 6) >> 6 | (vector(2) >> quad & 1u) << 2;
    }
  }();
  return static_cast<std::uint8_t>(result);
}

float half_at(const std::uint8_t* halves, std::int64_t index) {
  return to_float(Float16{static_cast<std::uint16_t>(halves[2 * index] | halves[2 * index + 1] << 8)});
}

float scale_at(const PackedPanels& w, const std::uint8_t* panel, std::int64_t unit, int row) {
  return half_at(panel, unit / w.group_units * kRows + row);
}

template <PackedOffsets kOffsets>
float offset_at(const PackedPanels& w, const std::uint8_t* panel, std::int64_t unit, int row) {
  const std::int64_t at = unit / w.group_units * kRows + row;
  if constexpr (kOffsets == PackedOffsets::kMinimums) return half_at(panel + w.offsets_begin, at);
  const std::uint8_t zero = kOffsets == PackedOffsets::kZeros ? panel[w.offsets_begin + at] : w.zero;
  return -scale_at(w, panel, unit, row) * static_cast<float>(zero);
}

// Units [0, count) with one scale.
void round_scale(const float* x, int count, int zero, RoundedUnit* out) {
  float largest = 0;
  bool finite = true;
  for (int i = 0; i < count * kUnitCols; ++i) {
    finite = finite && std::abs(x[i]) < INFINITY;
    largest = std::max(largest, std::abs(x[i]));
  }
  const float inverse = finite && largest > 0 ? 127.0f / largest : 0.0f;
  const float scale = finite ? without_last_bits(largest / 127.0f) : NAN;
  std::int32_t all = 0;
  for (int u = 0; u < count; ++u, x += kUnitCols) {
    std::int32_t sum = 0;
    for (int i = 0; i < kUnitCols; ++i) {
      out[u].q[i] = static_cast<std::int8_t>(finite ? std::lrint(x[i] * inverse) : 0);
      sum += out[u].q[i];
    }
    set_factors(scale, sum, out[u]);
    all += sum;
  }
  out[0].start -= zero * all;
}

void round_units(const float* x, std::int64_t num_units, UnitRounding rounding, RoundedUnit* out) {
  for (std::int64_t u = 0; u < num_units; u += rounding.units_per_scale)
    round_scale(x + u * kUnitCols, rounding.units_per_scale, rounding.zero, out + u);
}

template <int kBits, PackedOffsets kOffsets>
void packed_dot(const PackedPanels& w, std::int64_t begin, std::int64_t end, const RoundedUnit* x, float* y) {
  for (std::int64_t p = begin; p < end; ++p, y += kRows) {
    const std::uint8_t* panel = w.panels + p * w.panel_bytes;
    for (int r = 0; r < kRows; ++r) {
      float sum = 0;
      for (std::int64_t u = 0; u < w.num_units; ++u) {
        const std::uint8_t* unit = panel + w.codes_begin + u * kBits * 64;
        std::int32_t product = 0;
        for (int c = 0; c < kUnitCols; ++c) product += code_at(kBits, unit, c / 4, 4 * r + c % 4) * x[u].q[c];
        sum += static_cast<float>(product) * scale_at(w, panel, u, r) * x[u].scale;
        sum += offset_at<kOffsets>(w, panel, u, r) * x[u].sum;
      }
      y[r] = sum;
    }
  }
}

template <int kBits, PackedOffsets kOffsets>
void spread(const PackedPanels& w, std::int64_t p, std::int64_t first_unit, std::int64_t num_units,
            const SpreadPanel& out) {
  const std::uint8_t* panel = w.panels + p * w.panel_bytes;
  for (std::int64_t i = 0; i < num_units; ++i) {
    const std::uint8_t* unit = panel + w.codes_begin + (first_unit + i) * kBits * 64;
    for (int j = 0; j < kQuads; ++j) {
      for (int b = 0; b < 64; ++b) out.codes[(i * kQuads + j) * 64 + b] = code_at(kBits, unit, j, b);
    }
    for (int r = 0; r < kRows; ++r) {
      out.scales[i * kRows + r] = scale_at(w, panel, first_unit + i, r);
      out.offsets[i * kRows + r] = offset_at<kOffsets>(w, panel, first_unit + i, r);
    }
  }
}

void multiply_packed_tile(const PackedTile& tile) {
  for (int t = 0; t < tile.num_rows; ++t) {
    const RoundedUnit* x = tile.x + t * tile.x_stride;
    float* y = tile.y + t * tile.y_stride;
    for (int r = 0; r < kRows; ++r) {
      float sum = 0;
      for (std::int64_t u = 0; u < tile.num_units; ++u) {
        std::int32_t product = 0;
        for (int c = 0; c < kUnitCols; ++c)
          product += tile.panels[0].codes[(u * kQuads + c / 4) * 64 + 4 * r + c % 4] * x[u].q[c];
        sum += static_cast<float>(product) * tile.panels[0].scales[u * kRows + r] * x[u].scale;
        sum += tile.panels[0].offsets[u * kRows + r] * x[u].sum;
      }
      y[r] = tile.start[t * tile.start_stride + r] + sum;
    }
  }
}

}  // namespace

void use_packed_reference(KernelTable& table) {
  table.round_units = round_units;
  table.packed_tile_rows = kTileRows;
  table.packed_tile_panels = 1;
  for_packed_kinds([&]<int kBits, int kOffsets>() {
    constexpr int kKind = packed_kind(kBits, kOffsets);
    table.packed_dot[kKind] = packed_dot<kBits, static_cast<PackedOffsets>(kOffsets)>;
    table.spread[kKind] = spread<kBits, static_cast<PackedOffsets>(kOffsets)>;
    table.multiply_packed_tile[kKind] = multiply_packed_tile;
  });
}

}  // namespace assay
