// The four tensors of a GPTQ-quantized linear layer, to and from GroupQuantMatrix.
//
// For a weight [out, in] of `bits` bits in groups of `group_size` inputs, G = ceil(in / group_size) groups:
//   qweight int32 [in * bits / 32, out]   codes packed along `in`, low bits first
//   qzeros  int32 [G, out * bits / 32]    zero points packed along `out` (v1: z - 1, v2: z)
//   scales  f16   [G, out]
//   g_idx   int32 [in]                    group of each input; absent or all zero means c / group_size
//   W[o, c] = scales[g_idx[c], o] * (q[c, o] - z[g_idx[c], o])
// Three bits: 32 codes fill three words; code 10 and code 21 are split over two words, that is, the 96 bits
// are one little-endian stream. Source: GPTQModel's nn_modules/qlinear (torch, PackableQuantLinear).
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/gptq/gptq_config.h"
#include "formats/tensor_view.h"
#include "tensor/group_quant.h"

namespace assay {

struct GptqTensors {
  TensorView qweight;
  TensorView qzeros;
  TensorView scales;
  std::optional<TensorView> g_idx;
};

struct UnpackedGptq {
  GroupQuantMatrix matrix;  // rows = out, cols = in
  std::vector<std::int32_t>
      column_order;  // column c of the matrix is checkpoint input column_order[c]; empty: c itself
};

// group_size is that of the configuration, -1 allowed. Columns come out sorted by group (stable), so that
// groups are contiguous whatever g_idx was. v1 zeros are converted as GPTQModel does: for 2, 4 and 8 bits by
// adding one to each field of a word with the carry going on to the next field, which is right for its own
// files also where z is 0; for 3 bits field by field, modulo 8. The two differ only where a field is all
// ones. Errors: kCorrupt (shapes that contradict each other, a group outside of G), kUnsupported (bits, in or
// out not packable, groups that are not full, scales that float16 cannot hold exactly, a dtype). Messages
// name the tensor. Numerics: exact. Allocates the matrix; the tensors' bytes may be unaligned. Thread safe.
Result<UnpackedGptq> unpack_gptq(const GptqTensors& tensors, int bits, std::int64_t group_size,
                                 GptqFormat format);

struct PackedGptq {
  int bits = 0;
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t num_groups = 0;
  std::vector<std::uint32_t> qweight;  // [in * bits / 32, out]
  std::vector<std::uint32_t> qzeros;   // [num_groups, out * bits / 32]
  std::vector<Float16> scales;         // [num_groups, out]
  std::vector<std::int32_t> g_idx;     // [in]
};

// column_order as in UnpackedGptq (empty: columns are in checkpoint order).
// Errors: kInvalidArgument when column_order is no permutation or, for v1, when a zero point is 0 (write v2
// instead); kUnsupported when in or out is not packable: in * bits and out * bits must be multiples of 32, of
// 96 for 3 bits.
Result<PackedGptq> pack_gptq(const GroupQuantMatrix& matrix, std::span<const std::int32_t> column_order,
                             GptqFormat format);

// Names, shapes and bytes of P.qweight, P.qzeros, P.scales and P.g_idx for a writer. The bytes borrow from
// `packed`.
std::vector<TensorView> gptq_tensor_views(const PackedGptq& packed, const std::string& prefix);

}  // namespace assay
