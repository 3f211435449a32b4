// What LiteRT's quantized kernels demand of the scales around each operator.
// Source: https://ai.google.dev/edge/litert/models/quantization_spec, and the kernels' Prepare functions.
#pragma once
#include <cstdint>
#include <optional>

#include "formats/tflite/operators.h"
#include "quant/tflite/activation_ranges.h"

namespace assay::tflite {

// What activations become. Weights are int8 with both.
enum class Activations {
  kInt8,   // any zero point
  kInt16,  // zero point 0: "int16x8" of the specification
};

enum class ScaleRule {
  kWeighted,  // int8 weights, a bias of scale input x weights (int32; int64 of int16), free output
  kSame,      // inputs and outputs have one scale: values are moved, compared or averaged
  kFree,      // every tensor has its own
  kFixed,     // the output's scale is given
};

struct KernelRule {
  ScaleRule rule = ScaleRule::kFree;
  float output_scale = 0;  // of kFixed
  std::int64_t output_zero_point = 0;
  std::int32_t version = 1;  // of the operator from which on this is described
  // LayerNorm's and attention's parts lose much in int8 and gain no time: float but on demand.
  bool sensitive = false;
  // XNNPACK does not take it as int8, and the kernel that does is slower than the float one with DEQUANTIZE
  // and QUANTIZE around it: PRELU 5 to 12 times, HARD_SWISH 3 times, measured on whole models.
  bool slow = false;
};

// Nothing where LiteRT has no such kernel, or none that computes the same. Of an operator that has both,
// `rule` is the same.
std::optional<KernelRule> kernel_rule(Op op, Activations activations);

// Outside of this the output of the function differs from its limit by less than a quantized output tells, so
// that calibration need not cover more of its input; an end may be infinite. Nothing for other operators.
std::optional<Range> saturation(Op op, Activations activations);

}  // namespace assay::tflite
