// Weight matrices repacked for products with 8-bit input: the layout that the kernels read front to back, the
// same for every instruction set.
#pragma once
#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "tensor/group_quant.h"

namespace assay {

// 16 rows lie together as a panel, so that a vector holds 4 neighbouring columns (a quad) of each: 64 bytes
// as codes of 8 bits, byte 4 r + i being column i of row r. Columns are taken 32 at a time (a unit, quads 0
// to 7):
//   8 bits: 8 vectors, vector j holds quad j
//   4 bits: 4 vectors, vector j = quad j | quad j + 4 << 4
//   2 bits: 2 vectors, vector j = quad j | quad j + 2 << 2 | quad j + 4 << 4 | quad j + 6 << 6
//   3 bits: 3 vectors, a = q0 | q1 << 3 | (q6 & 3) << 6, b = q2 | q3 << 3 | (q7 & 3) << 6,
//                      c = q4 | q5 << 3 | (q6 >> 2) << 6 | (q7 >> 2) << 7
// with shifts and masks byte by byte, so that no instruction has to move anything between lanes. A panel is
//   scales   [num_groups][16] IEEE half
//   offsets  [num_groups][16], by kind, from a multiple of 64 bytes on
//   codes    [num_units], from a multiple of 64 bytes on
// and begins at a multiple of 64 bytes. Rows beyond the matrix have scale, offset and codes 0.
inline constexpr std::int64_t kPanelRows = 16;
inline constexpr std::int64_t kUnitCols = 32;

// What comes on top of scale * code.
enum class PackedOffsets : std::uint8_t {
  kOneZero,   // - scale * zero, the same zero everywhere; nothing is stored
  kZeros,     // - scale * zero[group][row], bytes
  kMinimums,  // + minimum[group][row], IEEE half
};
inline constexpr int kNumPackedOffsets = 3;

// A repacked matrix in memory that it borrows, so that all matrices of a model can share one mapping of huge
// pages.
class PackedMatrix {
 public:
  // Whether `weight` has a packed form: groups of tensor/group_quant.h of a multiple of 32 columns (or one
  // group), Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0, the number of columns being a multiple of 32. The five-bit types
  // take 8 bits.
  static bool is_packable(const WeightView& weight);
  // The layout of `weight`; no panels yet. REQUIRES: is_packable.
  static PackedMatrix lay_out(const WeightView& weight);
  // Writes the panels of `weight`, of which this is the layout, to `memory`, which must stay as long as they
  // are read. REQUIRES: memory holds num_bytes() zeros from a multiple of 64 bytes on.
  void fill(const WeightView& weight, std::span<std::uint8_t> memory, ThreadPool& pool);

  std::uint64_t num_bytes() const { return static_cast<std::uint64_t>(panel_bytes_ * num_panels()); }

  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  int bits() const { return bits_; }  // 2, 3, 4 or 8
  PackedOffsets offsets() const { return offsets_; }
  std::uint8_t zero() const { return zero_; }  // of kOneZero
  std::int64_t group_units() const { return group_units_; }
  std::int64_t num_units() const { return cols_ / kUnitCols; }
  std::int64_t num_groups() const { return (num_units() + group_units_ - 1) / group_units_; }
  std::int64_t num_panels() const { return (rows_ + kPanelRows - 1) / kPanelRows; }
  std::int64_t panel_bytes() const { return panel_bytes_; }
  std::int64_t offsets_begin() const { return offsets_begin_; }  // in bytes from the begin of a panel
  std::int64_t codes_begin() const { return codes_begin_; }
  const std::uint8_t* panels() const { return panels_; }

 private:
  void write_panel(const WeightView& weight, std::int64_t panel, std::uint8_t* out) const;

  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
  int bits_ = 0;
  PackedOffsets offsets_ = PackedOffsets::kOneZero;
  std::uint8_t zero_ = 0;
  std::int64_t group_units_ = 1;
  std::int64_t panel_bytes_ = 0;
  std::int64_t offsets_begin_ = 0;
  std::int64_t codes_begin_ = 0;
  const std::uint8_t* panels_ = nullptr;
};

}  // namespace assay
