// Changes of a block's weights that leave what the model computes as it is, but for rounding, and that no one
// who runs the model needs to know of: what one matrix is multiplied by, its neighbour is divided by. They
// make weights easier to quantize. Sources: AWQ (arXiv:2306.00978, scales), QuaRot (arXiv:2404.00456,
// rotation of values).
#pragma once
#include <cstdint>
#include <span>

#include "base/result.h"
#include "engine/model.h"
#include "kernels/kernels.h"

namespace assay {

// All of them: matrices that change become float32 in memory of their own, each new value rounded once or, by
// a rotation, as a sum of head_dim products in double. Where a family has no place for the change, or a
// matrix is quantized already, the block stays as it is and the error is kUnsupported. Sizes that do not fit
// are kInvalidArgument. Not thread safe for one block.

// Channel j of the MLP becomes what channel order[j] was: rows of gate and up, columns of down. order
// (intermediate_size): a permutation.
Status permute_mlp(Block& block, const ModelConfig& config, std::span<const std::int32_t> order,
                   const KernelTable& table);

// Column c of q, k and v times scale[c] > 0, the norm before them divided by it. scale (hidden_size). Needs a
// norm before the attention whose output nothing else reads.
Status scale_attention_inputs(Block& block, const ModelConfig& config, std::span<const float> scale,
                              const KernelTable& table);

// The same of gate and up, and the norm before the MLP.
Status scale_mlp_inputs(Block& block, const ModelConfig& config, std::span<const float> scale,
                        const KernelTable& table);

// Column j of down times scale[j] > 0, row j of up divided by it. scale (intermediate_size). Needs a gate
// beside up, or ReLU.
Status scale_mlp_channels(Block& block, const ModelConfig& config, std::span<const float> scale,
                          const KernelTable& table);

// Rows of v of each head of keys and values, and columns of o of the heads that read it, times an orthogonal
// matrix: Hadamard's, by Sylvester's construction, over sqrt(head_dim), which is its own inverse. Needs
// head_dim to be a power of two and v to have rows of its own or behind those of q and k.
Status rotate_values(Block& block, const ModelConfig& config, const KernelTable& table);

}  // namespace assay
