// What LiteRT's int8 kernels demand of the scales around each operator.
// Source: https://ai.google.dev/edge/litert/models/quantization_spec, and the kernels' Prepare functions.
#pragma once
#include <cstdint>
#include <optional>

#include "formats/tflite/operators.h"
#include "quant/tflite/activation_ranges.h"

namespace assay::tflite {

enum class ScaleRule {
  kWeighted,  // int8 weights, int32 bias of scale input x weights, free output
  kSame,      // inputs and outputs have one scale: values are moved, compared or averaged
  kFree,      // every tensor has its own
  kFixed,     // the output's scale is given
};

struct Int8Rule {
  ScaleRule rule = ScaleRule::kFree;
  float output_scale = 0;  // of kFixed
  std::int64_t output_zero_point = 0;
  std::int32_t version = 1;  // of the operator from which on int8 is described
  // LayerNorm's and attention's parts lose much in int8 and gain no time: float but on demand.
  bool sensitive = false;
  // XNNPACK does not take it as int8, and the kernel that does is slower than the float one with DEQUANTIZE
  // and QUANTIZE around it: PRELU 5 to 12 times, HARD_SWISH 3 times, measured on whole models.
  bool slow = false;
};

// Nothing where LiteRT has no int8 kernel, or none that computes the same.
std::optional<Int8Rule> int8_rule(Op op);

// Outside of this the output of the function differs from its limit by less than an int8 output tells, so
// that calibration need not cover more of its input; an end may be infinite. Nothing for other operators.
std::optional<Range> saturation(Op op);

}  // namespace assay::tflite
