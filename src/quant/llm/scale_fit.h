// Scales after rounding: with codes and zeros fixed, a row is linear in the scales of its groups, so that the scales of least
// (Q - W) H (Q - W)^T solve one small positive definite system per row, over all groups jointly.
// Source: decoupleQ, arXiv:2404.12759 (the float half of its alternation; here with the zero points that a file can hold).
#pragma once
#include "quant/llm/quant_panel.h"

namespace assay {

// Replaces the scales of every row that gets better by it once they are rounded to float16. Scales that would not be positive stay.
// Systems are solved in float64. REQUIRES: h [in, in] symmetric and positive semidefinite.
void fit_scales(QuantPanel& panel, MatrixView<const float> h);

}  // namespace assay
