// Which layer gets how many bits: the least total cost of quantization within a budget of storage.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace assay {

// How a layer is quantized.
struct LayerBits {
  int bits = 4;
  std::int64_t group_size = 128;  // -1: one group per row

  bool operator==(const LayerBits&) const = default;
};

// One way to quantize one layer.
struct BitChoice {
  int bits = 4;
  std::int64_t group_size = 128;   // -1: one group per row
  std::uint64_t storage_bits = 0;  // of the layer, see gptq_storage_bits
  double cost = 0;  // what it does to the model alone, such as a KL divergence; costs of layers add up
};

// What a GPTQ checkpoint keeps of a matrix [rows, cols]: codes, and for each group of each row a float16
// scale and a zero point. Not counted are 32 bits for each input (g_idx), the same whatever the bits.
// REQUIRES: group_size >= 1 or -1.
std::uint64_t gptq_storage_bits(std::int64_t rows, std::int64_t cols, int bits, std::int64_t group_size);

// The index of the choice for each layer, so that their storage fits into `budget_bits` and the sum of costs
// is least. A multiple-choice knapsack, solved exactly by dynamic programming over storage in units of the
// sizes' common divisor. Where that would take more than 2^18 units, larger ones: each layer's size is then
// rounded up, so that the result always fits but may leave up to layers / 2^18 of the budget unused. Of equal
// costs the smaller storage wins. Memory: layers * units bytes. Errors: kInvalidArgument for a layer without
// choices, one with more than 255, a cost that is negative or not finite, and a budget below the smallest
// storage, with both in the message.
Result<std::vector<std::size_t>> allocate_bits(std::span<const std::vector<BitChoice>> layers,
                                               std::uint64_t budget_bits);

}  // namespace assay
