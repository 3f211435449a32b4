#include "tensor/packed_matrix.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "tensor/ggml_blocks.h"

namespace assay {
namespace {

// The codes of a row, and scale and offset of each group: what a source has to give.
struct RowParts {
  std::vector<std::uint8_t> codes;
  std::vector<Float16> scales;
  std::vector<std::uint8_t> zeros;
  std::vector<Float16> minimums;
};

unsigned fifth_bit(const std::uint8_t* high, int i) { return ((high[i / 8] >> (i % 8)) & 1u) << 4; }

void read_block(const BlockQ4_0& b, std::uint8_t* codes, Float16&) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = b.qs[i] & 15;
    codes[i + 16] = b.qs[i] >> 4;
  }
}
void read_block(const BlockQ4_1& b, std::uint8_t* codes, Float16& minimum) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = b.qs[i] & 15;
    codes[i + 16] = b.qs[i] >> 4;
  }
  minimum = b.m;
}
void read_block(const BlockQ5_0& b, std::uint8_t* codes, Float16&) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<std::uint8_t>((b.qs[i] & 15u) | fifth_bit(b.qh, i));
    codes[i + 16] = static_cast<std::uint8_t>((b.qs[i] >> 4) | fifth_bit(b.qh, i + 16));
  }
}
void read_block(const BlockQ5_1& b, std::uint8_t* codes, Float16& minimum) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<std::uint8_t>((b.qs[i] & 15u) | fifth_bit(b.qh, i));
    codes[i + 16] = static_cast<std::uint8_t>((b.qs[i] >> 4) | fifth_bit(b.qh, i + 16));
  }
  minimum = b.m;
}
void read_block(const BlockQ8_0& b, std::uint8_t* codes, Float16&) {
  for (int i = 0; i < 32; ++i) codes[i] = static_cast<std::uint8_t>(b.qs[i] + 128);
}

template <typename Block>
void read_blocks(const WeightView& weight, std::int64_t row, RowParts& parts) {
  const std::byte* in = weight.row(row);
  for (std::size_t b = 0; b < parts.scales.size(); ++b) {
    Block block;
    std::memcpy(&block, in + b * sizeof(Block), sizeof(Block));
    parts.scales[b] = block.d;
    read_block(block, parts.codes.data() + 32 * b, parts.minimums[b]);
  }
}

void read_groups(const WeightView& weight, std::int64_t row, RowParts& parts) {
  unpack_codes(
      weight.bits,
      {reinterpret_cast<const std::uint8_t*>(weight.row(row)), static_cast<std::size_t>(weight.row_bytes)},
      parts.codes);
  const std::int64_t groups = weight.num_groups();
  std::copy_n(weight.scales + row * groups, groups, parts.scales.begin());
  std::copy_n(weight.zeros + row * groups, groups, parts.zeros.begin());
}

void read_row(const WeightView& weight, std::int64_t row, RowParts& parts) {
  if (!weight.is_dense()) return read_groups(weight, row, parts);
  switch (weight.dtype) {
    case DType::kQ4_0:
      return read_blocks<BlockQ4_0>(weight, row, parts);
    case DType::kQ4_1:
      return read_blocks<BlockQ4_1>(weight, row, parts);
    case DType::kQ5_0:
      return read_blocks<BlockQ5_0>(weight, row, parts);
    case DType::kQ5_1:
      return read_blocks<BlockQ5_1>(weight, row, parts);
    default:
      ASSAY_CHECK(weight.dtype == DType::kQ8_0);
      return read_blocks<BlockQ8_0>(weight, row, parts);
  }
}

// Four codes of a row, one in each byte.
using Quad = std::uint32_t;

// quads[j] is quad j of one row; word i of the result belongs to vector i.
void combine(int bits, const Quad* q, Quad* out) {
  switch (bits) {
    case 8:
      std::copy_n(q, 8, out);
      return;
    case 4:
      for (int j = 0; j < 4; ++j) out[j] = q[j] | q[j + 4] << 4;
      return;
    case 2:
      for (int j = 0; j < 2; ++j) out[j] = q[j] | q[j + 2] << 2 | q[j + 4] << 4 | q[j + 6] << 6;
      return;
    default: {
      constexpr Quad kLow = 0x03030303, kHigh = 0x04040404;
      out[0] = q[0] | q[1] << 3 | (q[6] & kLow) << 6;
      out[1] = q[2] | q[3] << 3 | (q[7] & kLow) << 6;
      out[2] = q[4] | q[5] << 3 | (q[6] & kHigh) << 4 | (q[7] & kHigh) << 5;
    }
  }
}

std::int64_t up_to_cache_line(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

// The zero that all groups share, if they do.
std::optional<std::uint8_t> common_zero(const WeightView& weight) {
  const std::int64_t count = weight.rows * weight.num_groups();
  if (count == 0) return std::uint8_t{0};
  const std::uint8_t* end = weight.zeros + count;
  if (std::find_if(weight.zeros, end, [&](std::uint8_t zero) { return zero != weight.zeros[0]; }) != end)
    return std::nullopt;
  return weight.zeros[0];
}

}  // namespace

bool PackedMatrix::is_packable(const WeightView& weight) {
  if (weight.cols % kUnitCols != 0 || weight.cols == 0) return false;
  if (!weight.is_dense()) return weight.group_size % kUnitCols == 0 || weight.num_groups() == 1;
  switch (weight.dtype) {
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ8_0:
      return true;
    default:
      return false;
  }
}

PackedMatrix PackedMatrix::lay_out(const WeightView& weight) {
  ASSAY_CHECK(is_packable(weight));
  PackedMatrix packed;
  packed.rows_ = weight.rows;
  packed.cols_ = weight.cols;
  if (weight.is_dense()) {
    packed.bits_ = weight.dtype == DType::kQ4_0 || weight.dtype == DType::kQ4_1 ? 4 : 8;
    const bool has_minimum = weight.dtype == DType::kQ4_1 || weight.dtype == DType::kQ5_1;
    packed.offsets_ = has_minimum ? PackedOffsets::kMinimums : PackedOffsets::kOneZero;
    packed.zero_ = weight.dtype == DType::kQ8_0 ? 128 : weight.dtype == DType::kQ5_0 ? 16 : 8;
  } else {
    packed.bits_ = weight.bits;
    packed.group_units_ = weight.num_groups() == 1 ? packed.num_units() : weight.group_size / kUnitCols;
    const auto zero = common_zero(weight);
    packed.offsets_ = zero ? PackedOffsets::kOneZero : PackedOffsets::kZeros;
    packed.zero_ = zero.value_or(0);
  }
  const std::int64_t values = packed.num_groups() * kPanelRows;
  packed.offsets_begin_ = up_to_cache_line(2 * values);
  const std::int64_t offset_bytes = packed.offsets_ == PackedOffsets::kOneZero ? 0
                                    : packed.offsets_ == PackedOffsets::kZeros ? values
                                                                               : 2 * values;
  packed.codes_begin_ = packed.offsets_begin_ + up_to_cache_line(offset_bytes);
  packed.panel_bytes_ = packed.codes_begin_ + packed.num_units() * packed.bits_ * 64;
  return packed;
}

void PackedMatrix::fill(const WeightView& weight, std::span<std::uint8_t> memory, ThreadPool& pool) {
  ASSAY_CHECK(weight.rows == rows_ && weight.cols == cols_ && memory.size() == num_bytes());
  ASSAY_CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % 64 == 0);
  panels_ = memory.data();
  // Each thread writes, and so places, what it will read: linear() splits panels the same way.
  pool.parallel_for(num_panels(), 1, [&](WorkRange range) {
    for (std::int64_t panel = range.begin; panel < range.end; ++panel)
      write_panel(weight, panel, memory.data() + panel * panel_bytes_);
  });
}

void PackedMatrix::write_panel(const WeightView& weight, std::int64_t panel, std::uint8_t* out) const {
  RowParts parts;
  parts.codes.resize(static_cast<std::size_t>(cols_));
  for (auto* halves : {&parts.scales, &parts.minimums})
    halves->resize(static_cast<std::size_t>(num_groups()));
  parts.zeros.resize(static_cast<std::size_t>(num_groups()));
  const int num_vectors = bits_;
  const std::int64_t count = std::min(kPanelRows, rows_ - panel * kPanelRows);
  for (std::int64_t r = 0; r < count; ++r) {
    read_row(weight, panel * kPanelRows + r, parts);
    for (std::int64_t g = 0; g < num_groups(); ++g) {
      const auto group = static_cast<std::size_t>(g);
      const std::int64_t at = g * kPanelRows + r;
      std::memcpy(out + 2 * at, &parts.scales[group], sizeof(Float16));
      if (offsets_ == PackedOffsets::kZeros) out[offsets_begin_ + at] = parts.zeros[group];
      if (offsets_ == PackedOffsets::kMinimums)
        std::memcpy(out + offsets_begin_ + 2 * at, &parts.minimums[group], sizeof(Float16));
    }
    for (std::int64_t u = 0; u < num_units(); ++u) {
      Quad quads[8];
      std::memcpy(quads, parts.codes.data() + u * kUnitCols, sizeof(quads));
      Quad words[8];
      combine(bits_, quads, words);
      std::uint8_t* unit = out + codes_begin_ + u * bits_ * 64;
      for (int v = 0; v < num_vectors; ++v) std::memcpy(unit + 64 * v + 4 * r, &words[v], sizeof(Quad));
    }
  }
}

}  // namespace assay
