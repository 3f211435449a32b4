// Constants of a graph in floating point: what float16 files, sparse files and int8 weights stand for.
#pragma once
#include <vector>

#include "base/result.h"
#include "formats/tflite/model.h"

namespace assay::tflite {

// The values of a constant of type FLOAT32, FLOAT16, or INT8, UINT8, INT16 with scales. Errors: kUnsupported
// (another type, or sparse), naming the tensor.
Result<std::vector<float>> float_values(const Model& model, const Tensor& tensor);

// The dense bytes of a constant that has sparsity. Source: TFLite's FormatConverter. Errors: kCorrupt.
Result<std::vector<std::byte>> densify(const Model& model, const Tensor& tensor);

// Computes every DEQUANTIZE and DENSIFY of a constant now, in all subgraphs: their outputs become constants
// of type FLOAT32, the operators go away, what only they used loses its data. Indices of tensors stay the
// same. Errors: kCorrupt.
Status fold_constants(Model& model);

}  // namespace assay::tflite
