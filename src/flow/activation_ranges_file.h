// Ranges of activations as a file: what one run of the calibration found, for any number of quantizations.
#pragma once
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "formats/tflite/model.h"
#include "quant/tflite/activation_ranges.h"

namespace assay {

// JSON: {"ranges": [{"tensor": 5, "name": "conv1", "min": -1.5, "max": 2.25, "rms": 0.4, "means": [0.5, -1]},
// ...]}. Tensors are those of the main subgraph, "rms" and "means" (by channel) may be missing; a name must
// be the tensor's own, so that ranges of another model are not taken. Errors: kCorrupt, naming the entry and
// what was expected.
Result<tflite::ActivationRanges> parse_activation_ranges(ByteView json, const tflite::Model& model);

// The same text that parse_activation_ranges() reads.
std::string write_activation_ranges(const tflite::ActivationRanges& ranges, const tflite::Model& model);

}  // namespace assay
