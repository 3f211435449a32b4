// The inner functions of one instruction set: single-threaded, on raw pointers, so that files compiled for an
// instruction set include nothing but this. The files <op>.cc check shapes, split work among threads, own
// scratch memory and call these.
#pragma once
#include <cstdint>

namespace assay {

// How a row of weights is stored: the dense dtypes and the packed codes of tensor/group_quant.h.
enum class WeightFormat : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kGroup2,
  kGroup3,
  kGroup4,
  kGroup8,
};
inline constexpr int kNumWeightFormats = 17;
inline constexpr int kNumActivations = 4;  // as enum Activation

// A WeightView without its library types. scales holds IEEE half bits.
struct WeightRows {
  const std::uint8_t* data;
  std::int64_t row_bytes;
  std::int64_t cols;
  WeightFormat format;
  std::int64_t group_size;
  std::int64_t num_groups;
  const std::uint16_t* scales;
  const std::uint8_t* zeros;
};

// out[c - begin] = W[row, c] for begin <= c < end. begin is a multiple of 256; so is end, unless it is cols.
// No instruction set may differ from the reference in a bit.
using DequantizeFn = void (*)(const WeightRows& weight, std::int64_t row, std::int64_t begin,
                              std::int64_t end, float* out);

// out[c * out_stride + r] = in[r * in_stride + c] for r < rows, c < cols.
using TransposeFn = void (*)(const float* in, std::int64_t in_stride, std::int64_t rows, std::int64_t cols,
                             float* out, std::int64_t out_stride);

// y[i, j] = start[j] + sum_k x[k, i] * w[k, j], a sum in ascending order of k for every i and j, whatever
// num_rows and num_cols are; start null: onto what y holds. Nothing beyond num_rows and num_cols is read or
// written.
struct Tile {
  const float* x;  // [depth][x_stride]
  std::int64_t x_stride;
  const float* w;  // [depth][w_stride]
  std::int64_t w_stride;
  std::int64_t depth;
  const float* start;
  float* y;  // [num_rows][y_stride]
  std::int64_t y_stride;
  int num_rows;  // at most KernelTable::tile_rows
  int num_cols;  // at most KernelTable::tile_cols
};
using TileFn = void (*)(const Tile& tile);
// out[i] holds x[2 i] and x[2 i + 1], rounded to bfloat16 (to even), the first in the lower half.
using PairBrainsFn = void (*)(const float* x, std::int64_t num_pairs, float* out);

// A block of a product of bfloat16 matrices: out[i, j] = the sum over terms and k of left[i, k] right[k, j],
// i, j < kBrainBlock, in float, `onto` what out holds or not. Factors are packed in panels of 16 rows of left
// or columns of right, each in steps of 32 values of k, zeros where there are none: left[step][row][k] and
// right[step][k / 2][column][k % 2]. Panels are aligned to 64 bytes. Values below 2^-126 may count as 0.
inline constexpr int kBrainBlock = 32;
inline constexpr int kBrainPanel = 16;
inline constexpr int kBrainStep = 32;
inline constexpr int kMostBrainTerms = 3;
struct BrainTerm {
  const std::uint16_t* left[2];
  const std::uint16_t* right[2];
};
struct BrainBlock {
  BrainTerm terms[kMostBrainTerms];
  int num_terms;
  std::int64_t num_steps;
  float* out;  // [kBrainBlock][out_stride]
  std::int64_t out_stride;
  bool onto;
};
using BrainBlockFn = void (*)(const BrainBlock& block);

// The input of a matrix-vector product. x and q are padded with zeros to a multiple of 64 columns and aligned
// to 64 bytes. x[c] is about q[c] * q_scales[c / 32]; those are null where nobody reads them.
inline constexpr int kInt8Group = 32;
struct VectorInput {
  const float* x;
  const std::int8_t* q;
  const float* q_scales;
  const std::int32_t* q_sums;       // of q over 32 columns
  const std::int32_t* q_half_sums;  // of q over 16 columns
};
// y[r] = sum_c W[r, c] x[c] for begin <= r < end.
using DotFn = void (*)(const WeightRows& weight, std::int64_t begin, std::int64_t end, const VectorInput& x,
                       float* y);
// Where to write what VectorInput has for `cols` columns, a multiple of 32.
struct RoundedInput {
  std::int8_t* q;
  float* scales;
  std::int32_t* sums;
  std::int32_t* half_sums;
};
using RoundInputFn = void (*)(const float* x, std::int64_t cols, const RoundedInput& out);

// A PackedMatrix (tensor/packed_matrix.h) without its library types.
struct PackedPanels {
  const std::uint8_t* panels;
  std::int64_t panel_bytes;
  std::int64_t offsets_begin;
  std::int64_t codes_begin;
  std::int64_t num_units;
  std::int64_t group_units;
  std::uint8_t zero;
};
inline constexpr int kNumPackedBits = 4;  // 2, 3, 4, 8
inline constexpr int kNumPackedKinds = 3 * kNumPackedBits;
// Where a function of the given bits and offsets (enum PackedOffsets) stands in the arrays below.
constexpr int packed_kind(int bits, int offsets) {
  return offsets * kNumPackedBits + (bits == 8 ? 3 : bits - 2);
}

// 32 columns of the input of a product with packed weights, a unit: x[c] is about scale * q[c]. Two units
// that follow each other may share a scale. Scales lack their last two bits, so that kLargeSum * scale is
// exact.
struct RoundedUnit {
  std::int8_t q[32];
  float scale;
  float sum;    // scale times the sum of q
  float shift;  // -kLargeSum * scale
  std::int32_t
      start;  // kLargeSumBits - zero * (sum of q); of two units with one scale: in the first, of both
};
// The last bit of this float is worth one: the bits of it, plus a sum s of integers with |s| < 2^22, are
// those of the float kLargeSum + s.
inline constexpr float kLargeSum = 0x1.8p23f;
inline constexpr std::int32_t kLargeSumBits = 0x4b400000;
struct UnitRounding {
  int units_per_scale;  // 1 or 2, a divisor of the number of units
  int zero;             // see RoundedUnit::start
  bool operator==(const UnitRounding&) const = default;
};
// A NaN or an infinity makes its unit's scale NaN. No instruction set may differ from the reference in a bit.
using RoundUnitsFn = void (*)(const float* x, std::int64_t num_units, UnitRounding rounding,
                              RoundedUnit* out);
// y[16 (p - begin) + r] = sum_c W[16 p + r, c] x[c] for panels begin <= p < end.
using PackedDotFn = void (*)(const PackedPanels& weight, std::int64_t begin, std::int64_t end,
                             const RoundedUnit* x, float* y);

// A part of a panel spread out for many rows of x: codes of some units as the table's PackedTileFn wants
// them, at most kSpreadUnitBytes each, and of every unit and row the scale and the offset (-scale * zero, or
// the minimum).
inline constexpr std::int64_t kSpreadUnitBytes = 1024;
struct SpreadPanel {
  std::uint8_t* codes;  // aligned to 64 bytes, like the others
  float* scales;        // [num_units][16]
  float* offsets;       // [num_units][16]
};
using SpreadFn = void (*)(const PackedPanels& weight, std::int64_t panel, std::int64_t first_unit,
                          std::int64_t num_units, const SpreadPanel& out);
// y[t, r] = start[t * start_stride + r] + sum_c W[r, c] x[t, c] over the units of the panels, which follow
// each other.
inline constexpr std::int64_t kMostTileUnits = 18;
inline constexpr int kMostTilePanels = 2;
struct PackedTile {
  SpreadPanel panels[kMostTilePanels];
  int num_panels;       // at most KernelTable::packed_tile_panels
  int units_per_scale;  // of x; where it is 2, two units share scales and offsets of the panels, too
  std::int64_t num_units;
  const RoundedUnit* x;       // of row 0, at the first of the units
  std::int64_t x_stride;      // in units
  const float* start;         // 16 values per panel; may be y
  std::int64_t start_stride;  // 0: the same for all rows
  float* y;                   // 16 values per panel and row
  std::int64_t y_stride;
  int num_rows;  // of x, at most KernelTable::packed_tile_rows
};
using PackedTileFn = void (*)(const PackedTile& tile);

// out[j] = sum_i q[i] * keys[j * stride + i] for i < head_dim.
using ScoresFn = void (*)(const float* q, const float* keys, std::int64_t stride, std::int64_t num_keys,
                          std::int64_t head_dim, float* out);
// out[c] += sum_j p[j] * values[j * stride + c] for c < head_dim, onto what out holds, in ascending order of
// j.
using WeighFn = void (*)(const float* p, const float* values, std::int64_t stride, std::int64_t num_keys,
                         std::int64_t head_dim, float* out);
// The same with keys and values that are IEEE halves.
using ScoresHalvesFn = void (*)(const float* q, const std::uint16_t* keys, std::int64_t stride,
                                std::int64_t num_keys, std::int64_t head_dim, float* out);
using WeighHalvesFn = void (*)(const float* p, const std::uint16_t* values, std::int64_t stride,
                               std::int64_t num_keys, std::int64_t head_dim, float* out);
// out[i] = the nearest IEEE half of x[i], ties to even; beyond the largest one, that. NaN stays NaN. No
// instruction set may differ from the reference in a bit, but for those of a NaN.
using ToHalvesFn = void (*)(const float* x, std::int64_t count, std::uint16_t* out);
inline constexpr float kLargestHalf = 65504.0f;
// s[0, count) becomes softmax(cap(scale * s)) where cap is softcap * tanh(. / softcap) if softcap > 0.
struct SoftmaxRow {
  float* s;
  std::int64_t count;
  float scale;
  float softcap;
};
using SoftmaxFn = void (*)(const SoftmaxRow& row);
// One block of keys of a softmax that is made block by block, for many queries side by side: with s' =
// cap(scale * s), keys j in [begin[i], end[i]) of query i are visible to it, and for every i
//   factor[i] = e^(largest[i] - m), m the largest of largest[i] and its visible s';
//   s = e^(s' - m) where visible, else 0;  sum[i] = factor[i] sum[i] + sum s;  largest[i] = m.
// A query's results depend on nothing but its own values.
struct SoftmaxBlock {
  float* s;  // [num_keys][stride], a key's scores for num_queries queries
  std::int64_t stride;
  std::int64_t num_keys;
  std::int64_t num_queries;  // a multiple of kSoftmaxQueries
  const float* begin;        // whole numbers
  const float* end;
  float scale;
  float softcap;
  float* largest;  // kNothingSeen at first
  float* sum;
  float* factor;
};
inline constexpr int kSoftmaxQueries = 16;
inline constexpr float kNothingSeen = -0x1.fffffep+127f;
// y[i] = factor * x[i]; y may be x.
using ScaleFn = void (*)(const float* x, float factor, std::int64_t count, float* y);
using SoftmaxBlockFn = void (*)(const SoftmaxBlock& block);

using RmsNormFn = void (*)(const float* x, const float* weight, std::int64_t cols, float epsilon, float* y);
using LayerNormFn = void (*)(const float* x, const float* weight, const float* bias, std::int64_t cols,
                             float epsilon,
                             float* y);  // bias may be null
using RopeFn = void (*)(float* x, std::int64_t num_heads, std::int64_t head_dim, std::int64_t rotary_dim,
                        const float* angles);
// out[c] = f(gate[c]) * up[c]; up null: f(gate[c]). A value does not depend on its place in the array.
using ActivateFn = void (*)(const float* gate, const float* up, std::int64_t count, float* out);
using AddFn = void (*)(const float* x, std::int64_t count, float* y);

struct KernelTable {
  const char* name;
  int tile_rows;
  int tile_cols;
  DequantizeFn dequantize[kNumWeightFormats];
  TransposeFn transpose;
  TileFn multiply_tile;
  // The same with pairs of bfloat16 in place of each value of x and w, y being float; null where there is
  // none.
  TileFn multiply_brain_tile;
  PairBrainsFn pair_brains;
  BrainBlockFn multiply_brain_block;
  // How many products of bfloat16 matrices take less time than one of floats: 0, 1 or 3.
  int cheap_brain_terms;
  DotFn dot[kNumWeightFormats];
  // Rounded input, for ggml's super-blocks; null where there is none.
  DotFn dot_int8[kNumWeightFormats];
  RoundInputFn round_input;
  RoundUnitsFn round_units;
  PackedDotFn packed_dot[kNumPackedKinds];
  SpreadFn spread[kNumPackedKinds];
  PackedTileFn multiply_packed_tile[kNumPackedKinds];
  int packed_tile_rows;
  int packed_tile_panels;
  ScoresFn scores;
  WeighFn weigh;
  ScoresHalvesFn scores_halves;
  WeighHalvesFn weigh_halves;
  ToHalvesFn to_halves;
  SoftmaxFn softmax;
  SoftmaxBlockFn softmax_block;
  ScaleFn scale;
  RmsNormFn rms_norm;
  LayerNormFn layer_norm;
  RopeFn rope;
  ActivateFn activate[kNumActivations];
  AddFn add;
};

// Each sets the functions that it has, and leaves the others.
void use_dequantize_reference(KernelTable& table);
void use_linear_reference(KernelTable& table);
void use_elementwise_reference(KernelTable& table);
void use_attention_reference(KernelTable& table);
void use_packed_reference(KernelTable& table);
void use_packed_avx2(KernelTable& table);
void use_weights_avx2(KernelTable& table);
void use_linear_avx2(KernelTable& table);
void use_elementwise_avx2(KernelTable& table);
void use_weights_avx512(KernelTable& table);
void use_linear_avx512(KernelTable& table);
void use_elementwise_avx512(KernelTable& table);
void use_group_dots_avx512(KernelTable& table);
void use_brain_tiles_avx512(KernelTable& table);
void use_brain_blocks_reference(KernelTable& table);
void use_brain_blocks_amx(KernelTable& table);
void use_packed_vnni(KernelTable& table);
void use_super_dots_vnni(KernelTable& table);
void use_packed_neon(KernelTable& table);
void use_weights_neon(KernelTable& table);
void use_linear_neon(KernelTable& table);
void use_elementwise_neon(KernelTable& table);

}  // namespace assay
