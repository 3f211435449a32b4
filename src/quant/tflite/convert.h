// Quantizations that need no calibration: float16, and int8 weights with float activations.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/tflite/model.h"

namespace assay::tflite {

// What was done, for people and for tests.
struct ConversionReport {
  std::uint64_t converted = 0;        // constants that changed their type
  std::uint64_t kept = 0;             // weights that stayed as they were
  std::uint64_t space_to_depth = 0;   // groups of slices that became one operator (space_to_depth.h)
  std::vector<std::string> warnings;  // one line each
};

struct Converted {
  Model model;
  ConversionReport report;
};

// Whether an operator has to stay in float. It is told by its type and the name of its first output, with a
// space between them: "CONV_2D model/head/conv".
using KeepFloat = std::function<bool(const std::string& op_and_output)>;

// How KeepFloat is told an operator.
std::string operator_label(const Subgraph& graph, const Operator& op);

// All conversions here and quantize_static() also replace slow slices, as space_to_depth.h tells.

// All constants in FLOAT32 and dense: undoes float16 and weight-only int8. Errors: kCorrupt.
Result<Converted> restore_float32(const Model& model);

// Every float constant of at least 100 values as FLOAT16 behind DEQUANTIZE, which LiteRT computes once. Stays
// float32: what custom and control-flow operators read, since not all of them take computed tensors, and
// constants with finite values that float16 cannot hold (over 65504), which get a warning.
// Errors: kCorrupt; kUnsupported where there is no float32 constant to convert.
Result<Converted> quantize_float16(const Model& model, const KeepFloat& keep_float = {});

enum class Int8Weights {
  // LiteRT quantizes activations as it runs: CONV_2D, FULLY_CONNECTED, BATCH_MATMUL. DEPTHWISE_CONV_2D and
  // TRANSPOSE_CONV get weight-only int8, because their kernels for this are slower than float.
  kDynamic,
  kWeightOnly,  // behind DEQUANTIZE: all arithmetic in float
};

// Weights (not biases) of at least 1024 values as int8, symmetric, per output channel. A BATCH_MATMUL of two
// constants stays in float. Errors as quantize_float16.
Result<Converted> quantize_int8_weights(const Model& model, Int8Weights mode,
                                        const KeepFloat& keep_float = {});

// The same in place, for the operators of a graph for which `mode_of` gives a mode; constants have to be in float32.
// How many constants were converted.
std::uint64_t quantize_int8_weights(Model& model, Subgraph& graph,
                                    const std::function<std::optional<Int8Weights>(const Operator&)>& mode_of);

}  // namespace assay::tflite
