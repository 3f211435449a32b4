// How far the rounding of weights moves the mean of an operator's outputs, which its bias can make up for.
// Source: M. Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "formats/tflite/operators.h"
#include "quant/tflite/weights.h"

namespace assay::tflite {

// By output channel, the mean of what the operator computes with `values` less that with their rounded form,
// where its input has `channel_means` in the middle of the picture (what is padded is taken for the same).
// Empty where that cannot be told: no means, not one for each input channel (groups among it), infinite
// values, TRANSPOSE_CONV. REQUIRES: `values`, `rounded` and `shape` agree.
std::vector<double> mean_shift(Op op, std::span<const float> values, std::span<const std::int32_t> shape,
                               const QuantizedWeights& rounded, std::span<const float> channel_means);

}  // namespace assay::tflite
