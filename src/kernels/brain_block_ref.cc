#include <cstdint>

#include "kernels/kernel_table.h"
#include "tensor/float16.h"

namespace assay {
namespace {

float value(std::uint16_t bits) { return to_float(BFloat16{bits}); }

void multiply_brain_block(const BrainBlock& block) {
  for (int i = 0; i < kBrainBlock; ++i) {
    for (int j = 0; j < kBrainBlock; ++j) {
      float& out = block.out[i * block.out_stride + j];
      float sum = block.onto ? out : 0.0f;
      for (int t = 0; t < block.num_terms; ++t) {
        const std::uint16_t* left = block.terms[t].left[i / kBrainPanel] + i % kBrainPanel * kBrainStep;
        const std::uint16_t* right = block.terms[t].right[j / kBrainPanel] + j % kBrainPanel * 2;
        for (std::int64_t step = 0; step < block.num_steps; ++step) {
          for (int k = 0; k < kBrainStep; ++k)
            sum += value(left[k]) * value(right[k / 2 * (2 * kBrainPanel) + k % 2]);
          left += kBrainPanel * kBrainStep;
          right += kBrainPanel * kBrainStep;
        }
      }
      out = sum;
    }
  }
}

}  // namespace

void use_brain_blocks_reference(KernelTable& table) { table.multiply_brain_block = multiply_brain_block; }

}  // namespace assay
