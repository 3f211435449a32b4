#include "kernels/dequantize_simd.h"
#include "kernels/dot_simd.h"
#include "kernels/simd_avx512.h"

namespace assay {

void use_weights_avx512(KernelTable& table) {
  use_dequantize<Simd>(table);
  use_dots<Simd>(table);
}

}  // namespace assay
