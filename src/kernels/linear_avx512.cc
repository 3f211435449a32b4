#include "kernels/linear_simd.h"
#include "kernels/simd_avx512.h"

namespace assay {

void use_linear_avx512(KernelTable& table) { use_tiles<Simd>(table); }

}  // namespace assay
