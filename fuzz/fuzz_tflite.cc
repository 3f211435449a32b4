// Whatever the bytes, parsing ends in a value or an error; what was parsed can be written, reads back, and
// says the same then.
#include <cstdint>

#include "base/check.h"
#include "formats/tflite/model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto model = assay::tflite::parse(std::as_bytes(std::span(data, size)));
  if (!model) return 0;
  const auto first = assay::tflite::write(*model);
  ASSAY_CHECK(first.has_value());
  const auto again = assay::tflite::parse(*first);
  ASSAY_CHECK(again.has_value());
  const auto second = assay::tflite::write(*again);
  ASSAY_CHECK(second.has_value() && *second == *first);
  assay::tflite::Model pruned = *again;
  assay::tflite::remove_unused(pruned);
  ASSAY_CHECK(assay::tflite::validate(pruned).has_value());
  return 0;
}
