// Where a graph has attention, and what its scores are made of.
#pragma once
#include <vector>

#include "formats/tflite/model.h"

namespace assay::tflite {

// Whether two computed tensors are multiplied, as queries and keys are.
bool has_attention(const Model& model);

// By operator of the main subgraph: the FULLY_CONNECTED ones whose outputs, moved and added up but otherwise
// as they are, are multiplied with each other to go into a SOFTMAX: the projections of queries and keys.
std::vector<bool> score_projections(const Model& model);

}  // namespace assay::tflite
