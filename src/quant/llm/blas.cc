#include "quant/llm/blas.h"

#include <cblas.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "base/cpu_features.h"

namespace assay {

void use_single_threaded_blas() { openblas_set_num_threads(1); }

bool blas_is_single_threaded() { return openblas_get_num_threads() == 1; }

void restart_with_known_blas_core(char** argv) {
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  const CpuFeatures features = detect_cpu_features();
  if (!features.avx2 || std::getenv(kVariable) != nullptr || std::string_view(openblas_get_corename()) != "Prescott") return;
  // The library has read the variable by now, so only another start helps.
  if (setenv(kVariable, features.avx512 ? "SKYLAKEX" : "HASWELL", 0) == 0) execv("/proc/self/exe", argv);
}

std::string blas_description() { return std::string(openblas_get_config()) + " on " + openblas_get_corename(); }

}  // namespace assay
