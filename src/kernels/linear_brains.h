// Products of many rows with bfloat16 weights, two columns at a time. Private to linear*.cc.
#pragma once
#include <span>

#include "base/thread_pool.h"
#include "kernels/kernel_table.h"
#include "tensor/matrix.h"

namespace assay {

// Whether `table` can multiply rows that are rounded to bfloat16 with these weights.
bool can_multiply_brains(const KernelTable& table, const WeightRows& weight);

// As linear() for kRounded and more than one row. REQUIRES: can_multiply_brains.
void multiply_brains(const KernelTable& table, const WeightRows& weight, MatrixView<const float> x,
                     std::span<const float> bias, MatrixView<float> y, ThreadPool& pool);

}  // namespace assay
