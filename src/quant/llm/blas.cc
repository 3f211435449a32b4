#include "quant/llm/blas.h"

#include <cblas.h>

namespace assay {

void use_single_threaded_blas() { openblas_set_num_threads(1); }

bool blas_is_single_threaded() { return openblas_get_num_threads() == 1; }

std::string blas_description() { return std::string(openblas_get_config()) + " on " + openblas_get_corename(); }

}  // namespace assay
