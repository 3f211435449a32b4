// How this library uses BLAS: every call is single-threaded, so that its bits do not depend on the number of threads;
// parallelism comes from the ThreadPool, one call per fixed tile.
#pragma once
#include <string>

namespace assay {

// Sets OpenBLAS to one thread, for the whole process. main() and test mains call it once, before any other thread exists;
// the functions of this library check that it was done.
void use_single_threaded_blas();

bool blas_is_single_threaded();

// Build and the core that OpenBLAS chose its kernels for, for the record of the environment.
std::string blas_description();

}  // namespace assay
