// Hadamard's matrix by Sylvester's construction: H[i, j] = (-1)^(number of common bits of i and j).
#pragma once
#include <cstddef>
#include <span>

namespace assay {

// Each run of `size` values, one behind the other, times H of that size, which is its own inverse but for a
// factor of `size`. size: a power of two that divides the number of values.
void multiply_by_hadamard(std::span<double> values, std::size_t size);

}  // namespace assay
