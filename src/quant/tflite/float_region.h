// Which operators must stay in float together.
#pragma once
#include <string>
#include <vector>

#include "formats/tflite/model.h"

namespace assay::tflite {

// The operators of the main subgraph that must be float so that those chosen read values that were not
// rounded: they themselves, and what they read from, back to and with the multiplications with weights
// before, as only that keeps the rounding away. `chosen`: by operator.
std::vector<bool> float_region(const Model& model, const std::vector<bool>& chosen);

// Operators by their labels (convert.h).
struct FloatRegion {
  std::string label;                // of the multiplication with weights it is for, or "outputs"
  std::vector<std::string> labels;  // of all operators of the region, in the order of the graph
};

// For each multiplication with weights of the main subgraph the region that lets it read values that were not
// rounded; at the end one that leaves the outputs of the graph unrounded.
std::vector<FloatRegion> float_regions(const Model& model);

}  // namespace assay::tflite
