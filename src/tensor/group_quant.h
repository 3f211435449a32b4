// Group-quantized weight matrices as the engine computes with them, and the erased view over any weight matrix.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "tensor/dtype.h"
#include "tensor/float16.h"

namespace assay {

class PackedMatrix;  // tensor/packed_matrix.h

// Codes are packed in chunks of 64 consecutive columns, `bits` * 8 bytes each; a row is padded to whole chunks with code 0.
// With q[0..63] the codes of a chunk:
//   8 bits: byte i        = q[i]                                                   (64 bytes)
//   4 bits: byte i of 32  = q[i] | q[i+32] << 4                                    (32 bytes)
//   2 bits: byte i of 16  = q[i] | q[i+16] << 2 | q[i+32] << 4 | q[i+48] << 6      (16 bytes)
//   3 bits: the 2-bit layout of (q & 3), then 8 bytes whose bit i (little endian) is q[i] >> 2   (24 bytes)
// so that a vector of bytes expands with shifts and masks into codes of consecutive columns.
inline constexpr std::int64_t kChunk = 64;

inline std::int64_t chunk_bytes(int bits) { return bits * kChunk / 8; }
inline std::int64_t packed_row_bytes(int bits, std::int64_t cols) { return (cols + kChunk - 1) / kChunk * chunk_bytes(bits); }

// codes: `cols` values < 2^bits. packed: packed_row_bytes(bits, cols) bytes, all written. bits is 2, 3, 4 or 8.
void pack_codes(int bits, std::span<const std::uint8_t> codes, std::span<std::uint8_t> packed);
// The inverse; codes.size() is the number of columns.
void unpack_codes(int bits, std::span<const std::uint8_t> packed, std::span<std::uint8_t> codes);

// Any weight matrix [rows = outputs, cols = inputs], borrowed. Either dense (bits == 0): rows of `dtype`, row r at
// data + r * row_bytes; or group-quantized (bits in {2, 3, 4, 8}): rows packed as above and
//   W[r, c] = scale[r, c / group_size] * (code[r, c] - zero[r, c / group_size]),
// scales and zeros row-major [rows, num_groups], num_groups = ceil(cols / group_size).
// No alignment is required of any pointer but the natural one of scales.
struct WeightView {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  const std::byte* data = nullptr;
  std::int64_t row_bytes = 0;
  DType dtype = DType::kF32;  // of a dense matrix
  int bits = 0;
  std::int64_t group_size = 0;
  const Float16* scales = nullptr;
  const std::uint8_t* zeros = nullptr;
  const PackedMatrix* packed = nullptr;  // the same matrix repacked for 8-bit input, where there is one

  bool is_dense() const { return bits == 0; }
  std::int64_t num_groups() const { return (cols + group_size - 1) / group_size; }
  const std::byte* row(std::int64_t r) const { return data + r * row_bytes; }
  // What one pass over the matrix reads: codes, scales and zeros.
  std::uint64_t weight_bytes() const;
};

// Owns a group-quantized matrix.
class GroupQuantMatrix {
 public:
  GroupQuantMatrix() = default;
  // REQUIRES: bits in {2, 3, 4, 8}; rows, cols >= 0; 1 <= group_size (larger than cols means one group).
  GroupQuantMatrix(int bits, std::int64_t rows, std::int64_t cols, std::int64_t group_size);

  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  int bits() const { return bits_; }
  std::int64_t group_size() const { return group_size_; }
  std::int64_t num_groups() const { return num_groups_; }

  // codes.size() == cols. Concurrent calls on different rows are safe.
  void set_row(std::int64_t r, std::span<const std::uint8_t> codes);
  void get_row(std::int64_t r, std::span<std::uint8_t> codes) const;
  Float16& scale(std::int64_t r, std::int64_t group) { return scales_[static_cast<std::size_t>(r * num_groups_ + group)]; }
  Float16 scale(std::int64_t r, std::int64_t group) const { return scales_[static_cast<std::size_t>(r * num_groups_ + group)]; }
  std::uint8_t& zero(std::int64_t r, std::int64_t group) { return zeros_[static_cast<std::size_t>(r * num_groups_ + group)]; }
  std::uint8_t zero(std::int64_t r, std::int64_t group) const { return zeros_[static_cast<std::size_t>(r * num_groups_ + group)]; }

  // Valid while this lives and is not assigned to.
  WeightView view() const;

 private:
  int bits_ = 0;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
  std::int64_t group_size_ = 0;
  std::int64_t num_groups_ = 0;
  std::int64_t row_bytes_ = 0;
  std::vector<std::uint8_t> codes_;
  std::vector<Float16> scales_;   // [rows, num_groups]
  std::vector<std::uint8_t> zeros_;
};

// A dense matrix over `bytes` (row-major, no padding). REQUIRES: bytes holds rows * cols values and cols is a multiple of
// the block length.
WeightView dense_view(DType dtype, ByteView bytes, std::int64_t rows, std::int64_t cols);

}  // namespace assay
