#include "tensor/group_quant.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace assay {
namespace {

using Chunk = std::array<std::uint8_t, kChunk>;

// Bounds that the compiler knows, so that it makes vectors of the loops: a model has a thousand million codes.
template <int kBits>
void pack_planes(const Chunk& q, std::uint8_t* out) {
  constexpr int kPlanes = 8 / kBits, kPlane = static_cast<int>(kChunk) / kPlanes;
  for (int i = 0; i < kPlane; ++i) {
    unsigned byte = 0;
    for (int p = 0; p < kPlanes; ++p) byte |= static_cast<unsigned>(q[static_cast<std::size_t>(p * kPlane + i)]) << (p * kBits);
    out[i] = static_cast<std::uint8_t>(byte);
  }
}

template <int kBits>
void unpack_planes(const std::uint8_t* in, Chunk& q) {
  constexpr int kPlanes = 8 / kBits, kPlane = static_cast<int>(kChunk) / kPlanes;
  constexpr unsigned kMask = (1u << kBits) - 1u;
  for (int p = 0; p < kPlanes; ++p) {
    for (int i = 0; i < kPlane; ++i)
      q[static_cast<std::size_t>(p * kPlane + i)] = static_cast<std::uint8_t>((in[i] >> (p * kBits)) & kMask);
  }
}

void pack_chunk(int bits, const Chunk& q, std::uint8_t* out) {
  if (bits == 2) return pack_planes<2>(q, out);
  if (bits == 4) return pack_planes<4>(q, out);
  if (bits == 8) return pack_planes<8>(q, out);
  Chunk low;
  for (std::size_t i = 0; i < q.size(); ++i) low[i] = q[i] & 3u;
  pack_planes<2>(low, out);
  std::fill_n(out + 16, 8, std::uint8_t{0});
  for (std::size_t i = 0; i < q.size(); ++i) out[16 + i / 8] |= static_cast<std::uint8_t>((q[i] >> 2) << (i % 8));
}

void unpack_chunk(int bits, const std::uint8_t* in, Chunk& q) {
  if (bits == 4) return unpack_planes<4>(in, q);
  if (bits == 8) return unpack_planes<8>(in, q);
  unpack_planes<2>(in, q);
  if (bits == 2) return;
  for (std::size_t i = 0; i < q.size(); ++i) q[i] |= static_cast<std::uint8_t>(((in[16 + i / 8] >> (i % 8)) & 1u) << 2);
}

bool is_supported(int bits) { return bits == 2 || bits == 3 || bits == 4 || bits == 8; }

}  // namespace

void pack_codes(int bits, std::span<const std::uint8_t> codes, std::span<std::uint8_t> packed) {
  ASSAY_CHECK(is_supported(bits));
  ASSAY_CHECK(static_cast<std::int64_t>(packed.size()) == packed_row_bytes(bits, static_cast<std::int64_t>(codes.size())));
  std::uint8_t* out = packed.data();
  for (std::size_t begin = 0; begin < codes.size(); begin += kChunk) {
    Chunk chunk{};
    std::copy_n(codes.data() + begin, std::min<std::size_t>(kChunk, codes.size() - begin), chunk.data());
    pack_chunk(bits, chunk, out);
    out += chunk_bytes(bits);
  }
}

void unpack_codes(int bits, std::span<const std::uint8_t> packed, std::span<std::uint8_t> codes) {
  ASSAY_CHECK(is_supported(bits));
  ASSAY_CHECK(static_cast<std::int64_t>(packed.size()) == packed_row_bytes(bits, static_cast<std::int64_t>(codes.size())));
  const std::uint8_t* in = packed.data();
  for (std::size_t begin = 0; begin < codes.size(); begin += kChunk) {
    Chunk chunk;
    unpack_chunk(bits, in, chunk);
    std::copy_n(chunk.data(), std::min<std::size_t>(kChunk, codes.size() - begin), codes.data() + begin);
    in += chunk_bytes(bits);
  }
}

std::uint64_t WeightView::weight_bytes() const {
  const auto code_bytes = static_cast<std::uint64_t>(rows * row_bytes);
  if (is_dense()) return code_bytes;
  return code_bytes + static_cast<std::uint64_t>(rows * num_groups()) * (sizeof(Float16) + sizeof(std::uint8_t));
}

GroupQuantMatrix::GroupQuantMatrix(int bits, std::int64_t rows, std::int64_t cols, std::int64_t group_size)
    : bits_(bits), rows_(rows), cols_(cols), group_size_(std::min(group_size, std::max<std::int64_t>(cols, 1))) {
  ASSAY_CHECK(is_supported(bits) && rows >= 0 && cols >= 0 && group_size >= 1);
  num_groups_ = (cols_ + group_size_ - 1) / group_size_;
  row_bytes_ = packed_row_bytes(bits, cols);
  codes_.resize(static_cast<std::size_t>(rows_ * row_bytes_));
  scales_.resize(static_cast<std::size_t>(rows_ * num_groups_));
  zeros_.resize(static_cast<std::size_t>(rows_ * num_groups_));
}

void GroupQuantMatrix::set_row(std::int64_t r, std::span<const std::uint8_t> codes) {
  ASSAY_CHECK(r >= 0 && r < rows_ && static_cast<std::int64_t>(codes.size()) == cols_);
  pack_codes(bits_, codes, {codes_.data() + r * row_bytes_, static_cast<std::size_t>(row_bytes_)});
}

void GroupQuantMatrix::get_row(std::int64_t r, std::span<std::uint8_t> codes) const {
  ASSAY_CHECK(r >= 0 && r < rows_ && static_cast<std::int64_t>(codes.size()) == cols_);
  unpack_codes(bits_, {codes_.data() + r * row_bytes_, static_cast<std::size_t>(row_bytes_)}, codes);
}

WeightView GroupQuantMatrix::view() const {
  WeightView view;
  view.rows = rows_;
  view.cols = cols_;
  view.data = reinterpret_cast<const std::byte*>(codes_.data());
  view.row_bytes = row_bytes_;
  view.bits = bits_;
  view.group_size = group_size_;
  view.scales = scales_.data();
  view.zeros = zeros_.data();
  return view;
}

WeightView dense_view(DType dtype, ByteView bytes, std::int64_t rows, std::int64_t cols) {
  WeightView view;
  view.rows = rows;
  view.cols = cols;
  view.data = bytes.data();
  view.row_bytes = static_cast<std::int64_t>(num_bytes(dtype, static_cast<std::uint64_t>(cols)));
  view.dtype = dtype;
  ASSAY_CHECK(static_cast<std::uint64_t>(view.row_bytes * rows) == bytes.size());
  return view;
}

}  // namespace assay
