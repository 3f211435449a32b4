// How this library uses BLAS: every call is single-threaded, so that its bits do not depend on the number of threads;
// parallelism comes from the ThreadPool, one call per fixed tile.
#pragma once
#include <string>

namespace assay {

// Sets OpenBLAS to one thread, for the whole process. main() and test mains call it once, before any other thread exists;
// the functions of this library check that it was done.
void use_single_threaded_blas();

bool blas_is_single_threaded();

// OpenBLAS chooses its kernels by a list of processors; what is newer than the list gets those of 2004, five times slower. Where that has
// happened on a processor with AVX2, starts this program again with `argv` and OPENBLAS_CORETYPE set to what the processor has. For
// main(), before everything else; returns where there is nothing to do, or the user set the variable.
void restart_with_known_blas_core(char** argv);

// Build and the core that OpenBLAS chose its kernels for, for the record of the environment.
std::string blas_description();

}  // namespace assay
