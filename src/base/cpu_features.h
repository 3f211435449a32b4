// What the processor that this process runs on can do.
#pragma once
#include <string>

namespace assay {

struct CpuFeatures {
  bool avx2 = false;    // AVX2, FMA and F16C together
  bool avx512 = false;  // AVX-512 F, BW, DQ, VL
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  // Whether a bfloat16 product of pairs (VDPBF16PS) takes no longer than a float multiply-add. Zen 4 starts
  // one in each cycle; Intel's cores take at least twice as long as for the multiply-add, which eats up what
  // pairs gain.
  bool fast_avx512_bf16 = false;
  bool amx_bf16 = false;  // tile registers and products of bfloat16 in them
  bool neon = false;
};

// Asks the processor; a feature that the operating system does not save is reported as absent. Linux saves tile
// registers for processes that ask for it: this does.
CpuFeatures detect_cpu_features();

// "avx2 avx512 avx512_vnni avx512_bf16 amx_bf16", for the record of the environment; "none" where there is none.
std::string to_string(const CpuFeatures& features);

}  // namespace assay
