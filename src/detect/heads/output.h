// What a model gave, as numbers, without the runtime that ran it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace assay::detect {

// Known before a model has run. Row-major; the first dimension is the batch where there is one.
struct OutputInfo {
  std::string name;
  std::vector<std::int64_t> shape;
};

// An output tensor of one image.
struct Output {
  OutputInfo info;
  std::vector<float> values;  // as many as the shape says
};

// value = (stored - zero_point) * scale; scale 0 means that the values are stored as they are.
struct OutputQuantization {
  float scale = 0.0f;
  int zero_point = 0;
};

// Widens stored bytes (little endian, no alignment needed). dtype: kF32, kF16, kU8, kI8, kI16, kI32 or kI64.
// Errors: kUnsupported (another dtype), kCorrupt (bytes that do not fit the shape); both name the tensor.
// Thread safe.
Result<Output> read_output(OutputInfo info, DType dtype, const OutputQuantization& quantization,
                           ByteView bytes);

}  // namespace assay::detect
