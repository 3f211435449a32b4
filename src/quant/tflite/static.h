// Static quantization: int8 weights and int8 or int16 activations, from the ranges that calibration found.
// Source: https://ai.google.dev/edge/litert/models/quantization_spec
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/tflite/model.h"
#include "quant/tflite/activation_ranges.h"
#include "quant/tflite/convert.h"
#include "quant/tflite/kernel_rules.h"

namespace assay::tflite {

struct StaticOptions {
  KeepFloat keep_float;
  // Also what is more precise or faster in float: the parts of LayerNorm and attention, operators with a
  // float input, PRELU and HARD_SWISH, and concatenations of values of different size. Without it, the
  // FULLY_CONNECTED operators of a graph with attention have int8 weights but float activations: each row is
  // rounded by the runtime with a scale of its own, and not at all where rows are few, and for the queries and keys of
  // the attention, whose products decide exponentially.
  bool full_integer = false;
  // What multiplies with weights must have at least this predicted signal to noise ratio (static_noise.h), in
  // dB; otherwise it stays in float with what feeds it. Only where ranges come with rms. 0: all as int8.
  double least_snr = 20;
  bool int8_io = false;  // inputs and outputs of the graph as int8 (int16), too
  Activations activations = Activations::kInt8;
  // Biases make up for the mean of what the rounding of weights does (bias_correction.h), where ranges come
  // with the means of channels.
  bool correct_biases = true;
};

// Values of quite different size in one tensor, as where a head puts boxes and scores together. In int8 they
// would share one scale. The concatenation stays in float, so that each input keeps its own, where
// probabilities are among them, or where only outputs of the graph come of it (unless those are int8, too).
struct WideConcat {
  std::string output;  // name of the tensor
  float ratio = 0;     // of the widest to the narrowest input's range
  bool kept_float = false;
};

struct StaticReport {
  ConversionReport conversion;
  std::map<std::string, std::uint64_t> int8_operators;   // quantized: name of operator to how many
  std::map<std::string, std::uint64_t> float_operators;  // QUANTIZE and DEQUANTIZE apart
  std::uint64_t transitions = 0;                         // QUANTIZE and DEQUANTIZE in the file
  std::uint64_t fused_activations = 0;
  std::uint64_t corrected_biases = 0;
  std::uint64_t int8_weights = 0;  // constants that became int8 for operators with float activations
  std::vector<std::string> too_noisy;    // labels of operators that stayed in float for their predicted noise
  std::vector<WideConcat> wide_concats;  // ratio above 8, or kept in float
};

struct StaticResult {
  Model model;
  StaticReport report;
};

// The graph whose operators quantize_static() decides on: constants folded, slices merged, activations fused.
// Its operators have the labels that StaticOptions::keep_float is asked about. Errors: kCorrupt.
Result<Model> prepare_static(const Model& model, StaticReport& report);

// By tensor of the main subgraph: those whose ranges quantize_static() can make use of. Errors: kCorrupt.
Result<std::vector<bool>> tensors_to_observe(const Model& model, const StaticOptions& options);

// The main subgraph with int8 operators where LiteRT has kernels for them, and float ones elsewhere; other
// subgraphs as they are. Weights symmetric per output channel (one scale for BATCH_MATMUL), activations
// asymmetric per tensor, biases int32; with int16 activations these symmetric, biases int64. Constants in
// float16 are folded and activation functions fused first. A tensor without a range keeps its operators in
// float. What only feeds a LOGISTIC or TANH is clipped where that saturates. Errors: kInvalidArgument when
// `ranges` is not as long as the main subgraph's tensors; kUnsupported when nothing could be quantized;
// kCorrupt.
Result<StaticResult> quantize_static(const Model& model, const ActivationRanges& ranges,
                                     const StaticOptions& options);

}  // namespace assay::tflite
