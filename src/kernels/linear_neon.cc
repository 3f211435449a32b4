#include "kernels/linear_simd.h"
#include "kernels/simd_neon.h"

namespace assay {

void use_linear_neon(KernelTable& table) { use_tiles<Simd>(table); }

}  // namespace assay
