// Activation functions into the operator before them.
#pragma once
#include <cstddef>

#include "formats/tflite/model.h"

namespace assay::tflite {

// Every RELU, RELU6, RELU_N1_TO_1 of the main subgraph whose input is read by nothing else, and comes from an
// operator that can apply it itself and has none yet: that operator writes the activation's output. As int8 a
// standalone RELU is not taken by XNNPACK, and the range before it would waste the scale on values that
// vanish. Indices of tensors stay the same; tensors between are left without producer. Returns how many.
std::size_t fuse_activations(Model& model);

}  // namespace assay::tflite
