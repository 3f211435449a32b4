// Whatever the bytes, parsing ends in a value or an error, and all tensors of a value lie inside of the
// bytes.
#include <cstdint>

#include "base/check.h"
#include "formats/safetensors/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const assay::ByteView bytes = std::as_bytes(std::span(data, size));
  const auto file = assay::parse_safetensors(bytes);
  if (!file) return 0;
  std::uint64_t total = 0;
  for (const assay::TensorView& tensor : file->tensors) {
    ASSAY_CHECK(file->find(tensor.name) == &tensor);
    ASSAY_CHECK(*assay::tensor_bytes(tensor.name, tensor.dtype, tensor.shape) == tensor.bytes.size());
    ASSAY_CHECK(tensor.bytes.empty() || (tensor.bytes.data() >= bytes.data() &&
                                         tensor.bytes.data() + tensor.bytes.size() <= bytes.data() + size));
    total += tensor.bytes.size();
  }
  ASSAY_CHECK(total <= size);
  return 0;
}
