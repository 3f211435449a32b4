#include "kernels/attention_simd.h"
#include "kernels/elementwise_simd.h"
#include "kernels/simd_neon.h"

namespace assay {

void use_elementwise_neon(KernelTable& table) {
  use_elementwise<Simd>(table);
  use_attention<Simd>(table);
}

}  // namespace assay
