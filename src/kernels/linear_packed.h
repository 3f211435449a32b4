// Linear layers of the same input whose weights are repacked. Private to linear*.cc.
#pragma once
#include <span>

#include "kernels/kernel_table.h"
#include "kernels/kernels.h"

namespace assay {

PackedPanels panels_of(const PackedMatrix& matrix);
// How many units of the input, of kUnitCols columns each, are rounded with one scale: two where the matrix's
// groups hold them whole.
int units_per_scale(const PackedMatrix& matrix);

// REQUIRES: every layer has weight.packed, and shapes as linear() wants them; x.rows > 0.
void multiply_packed(const KernelContext& context, std::span<const LinearLayer> layers,
                     MatrixView<const float> x);

}  // namespace assay
