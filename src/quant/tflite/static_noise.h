// Which operators would lose their output in the rounding of what they read: predicted, without running
// anything.
#pragma once
#include <vector>

#include "formats/tflite/model.h"
#include "quant/tflite/activation_ranges.h"
#include "quant/tflite/static_plan.h"

namespace assay::tflite {

// For each multiplication with weights: the noise that the rounding of its input since the multiplication
// before brings to its output (rounding errors as independent, of variance scale^2 / 12), against the
// output's root mean square. By operator of the main subgraph, in dB; infinite where that is not known (no
// rms) or there is no noise.
std::vector<double> predicted_snr(const Model& model, const ActivationRanges& ranges, const StaticPlan& plan);

// The operators that must be float so that none has less than `least_decibels`: the region (float_region.h) of
// those that have.
std::vector<bool> too_noisy(const Model& model, const std::vector<double>& snr, double least_decibels);

}  // namespace assay::tflite
