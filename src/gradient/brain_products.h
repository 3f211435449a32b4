// Products in bfloat16 where a processor multiplies that faster than float32. Private to products.cc and its
// tests.
#pragma once
#include <span>
#include <vector>

#include "gradient/products.h"
#include "kernels/kernels.h"

namespace assay {

// Those that follow one another and have the same output, output by output; empty outputs are left out.
std::vector<std::span<const Product>> by_output(std::span<const Product> products);

// What multiply() promises, in blocks of the table's multiply_brain_block. Factors are rounded to bfloat16
// (kBrain), or each is the sum of two such values, of whose four products the three larger ones are added
// (kFloat). REQUIRES: the table has multiply_brain_block; all products have the same `factors`.
void multiply_brains(std::span<const Product> products, const KernelContext& kernels);

}  // namespace assay
