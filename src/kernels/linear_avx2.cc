#include "kernels/linear_simd.h"
#include "kernels/simd_avx2.h"

namespace assay {

void use_linear_avx2(KernelTable& table) { use_tiles<Simd>(table); }

}  // namespace assay
