// Whatever graph parses, every quantization ends in an error or in a graph that is valid and can be written.
#include <cstdint>

#include "base/check.h"
#include "formats/tflite/model.h"
#include "quant/tflite/convert.h"
#include "quant/tflite/static.h"

namespace {

void check(const assay::tflite::Model& model) {
  ASSAY_CHECK(assay::tflite::validate(model).has_value());
  const auto bytes = assay::tflite::write(model);
  ASSAY_CHECK(bytes.has_value() && assay::tflite::parse(*bytes).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace tflite = assay::tflite;
  const auto model = tflite::parse(std::as_bytes(std::span(data, size)));
  if (!model) return 0;
  if (const auto result = tflite::restore_float32(*model)) check(result->model);
  if (const auto result = tflite::quantize_float16(*model)) check(result->model);
  for (const auto mode : {tflite::Int8Weights::kDynamic, tflite::Int8Weights::kWeightOnly}) {
    if (const auto result = tflite::quantize_int8_weights(*model, mode)) check(result->model);
  }
  tflite::ActivationRanges ranges(model->main().tensors.size());
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    // Some without a range, and of different widths.
    if (i % 5 != 4) ranges[i] = tflite::Range{-1.0f, static_cast<float>(i % 7), 0.5f};
  }
  for (int options = 0; options < 4; ++options) {
    const bool full_integer = (options & 1) != 0;
    const bool int8_io = (options & 2) != 0;
    if (const auto result = tflite::quantize_static(*model, ranges, {{}, full_integer, 40, int8_io}))
      check(result->model);
  }
  return 0;
}
